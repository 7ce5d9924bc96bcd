"""Images built by the runner's engine and pushed to a real registry."""

import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from docker import DockerClient
from pytest_django.fixtures import Settings

from pipelines.registries.models import Registry as Listed
from pipelines.runs import lifecycle
from pipelines.runs.models import Artifact, Attempt
from pipelines.spec.model import BuildSpec
from pipelines.states.status import Status
from runners.containers import stage
from runners.containers.docker import DockerExecutor
from tests import factories
from tests.lab.registry import Registry, registry
from tests.runners.containers.story import Story, commit, performed, taken_over, text_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("no_image_left")]

PASSWORD = "correct-horse-battery"


@pytest.fixture(scope="module")
def open_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registry(tmp_path_factory.mktemp("open")) as one:
        yield one


@pytest.fixture(scope="module")
def private_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registry(tmp_path_factory.mktemp("private"), "shop", PASSWORD) as one:
        yield one


def shop(story: Story, *lines: str, **files: str) -> None:
    text = "\n".join((f"FROM {story.image}", *lines)) + "\n"
    commit(story.repository, {"Dockerfile": text, **files})


def half_built(engine: DockerClient, server: DockerExecutor) -> list[str]:
    """Containers, in whatever state, on a network of this server's attempts."""
    listed = engine.api.containers(all=True)
    return [each["Id"] for each in listed if f"slipway-{server._server}-" in each["HostConfig"].get("NetworkMode", "")]


def test_an_image_is_built_from_the_commit_and_pushed_and_its_digest_kept(
    story: Story, open_registry: Registry, own_server: DockerExecutor, engine: DockerClient
) -> None:
    Listed.objects.create(host=open_registry.host)
    shop(story, "ARG WHO", "COPY greeting /greeting", "RUN cat /greeting && echo built by $WHO")
    tags = (f"{open_registry.host}/shop:1.2", f"{open_registry.host}/shop:latest")
    attempt = story.perform(build=BuildSpec(tags=tags, push=True, args={"WHO": "$(id) 'x'"}))

    assert (attempt.status, attempt.reason) == (Status.SUCCEEDED, "")
    log = text_of(attempt.log)
    assert "hello from the commit\nbuilt by $(id) 'x'\n" in log
    digest = open_registry.digest("shop", "1.2")
    assert digest is not None
    assert f"[slipway] pushed {tags[0]} as {digest}\n" in log
    assert [(a.path, f"sha256:{a.digest}", a.storage_name) for a in attempt.artifacts.order_by("path")] == [
        (f"image:{tag}", digest, "") for tag in tags
    ]
    assert attempt.artifacts.all()[0].size > 100_000
    labels = open_registry.configuration("shop", "latest")["config"]["Labels"]
    assert labels["org.opencontainers.image.revision"] == attempt.stage.run.sha
    assert own_server.ours() == []
    assert half_built(engine, own_server) == []
    assert engine.images.list(name=f"{open_registry.host}/shop") == []
    pulled = engine.containers.run(tags[0], ["cat", "/greeting"], remove=True)
    assert pulled == b"hello from the commit\n"
    engine.images.remove(tags[0], force=True)


def test_a_private_registry_takes_only_who_signs_in(story: Story, private_registry: Registry) -> None:
    shop(story, "RUN echo one")
    tag = f"{private_registry.host}/shop:1"
    spec = BuildSpec(tags=(tag,), push=True)

    unlisted = story.perform(build=spec)
    assert unlisted.status == Status.FAILED
    assert unlisted.reason.endswith(
        f"an operator can list {private_registry.host} among the registries of this project"
    )
    assert text_of(unlisted.log) == ""

    row = Listed.objects.create(host=private_registry.host, username="shop", password="wrong-password")
    wrong = story.perform(build=spec)
    assert (wrong.status, wrong.reason.split(":")[-1].strip()) == (Status.FAILED, "no basic auth credentials") or (
        "could not be pushed as shop" in wrong.reason
    )
    assert private_registry.digest("shop", "1") is None

    Listed.objects.filter(pk=row.pk).delete()
    Listed.objects.create(host=private_registry.host, username="shop", password=PASSWORD, project=story.project)
    right = story.perform(build=spec)
    assert (right.status, right.reason) == (Status.SUCCEEDED, "")
    assert private_registry.digest("shop", "1") is not None
    assert PASSWORD not in text_of(right.log)


def test_a_private_image_is_pulled_for_its_project_and_for_no_other(
    story: Story, private_registry: Registry, engine: DockerClient
) -> None:
    Listed.objects.create(host=private_registry.host, username="shop", password=PASSWORD, project=story.project)
    shop(story, "RUN echo precious >/precious")
    tag = f"{private_registry.host}/precious:1"
    assert story.perform(build=BuildSpec(tags=(tag,), push=True)).status == Status.SUCCEEDED

    mine = story.perform("cat /precious", image=tag)
    assert (mine.reason, text_of(mine.log)) == ("", "precious\n")
    other = Story(story.repository, story.image)
    theirs = other.perform("cat /precious", image=tag)  # it is on the machine now
    shop(other, f"COPY --from={tag} /precious /stolen", "RUN cat /stolen")
    built = other.perform(build=BuildSpec())
    engine.images.remove(tag, force=True)

    assert theirs.status == Status.FAILED
    assert f"{tag} cannot be pulled" in theirs.reason
    assert "an operator can add the registry" in theirs.reason
    assert built.status == Status.FAILED
    assert "precious\n" not in text_of(theirs.log) + text_of(built.log)


def test_an_instruction_that_fails_fails_the_stage_with_its_output(story: Story, own_server: DockerExecutor) -> None:
    shop(story, "RUN echo trying; exit 3")
    attempt = story.perform(build=BuildSpec())

    assert attempt.status == Status.FAILED
    assert "returned a non-zero code: 3" in attempt.reason
    assert "trying\n" in text_of(attempt.log)
    assert own_server.ours() == []


def test_a_build_without_a_push_takes_nobodys_name(story: Story, engine: DockerClient) -> None:
    shop(story, "RUN echo mine >/mine")
    attempt = story.perform(build=BuildSpec(tags=(story.image,)))

    assert attempt.status == Status.SUCCEEDED
    assert attempt.artifacts.get().path == f"image:{story.image}"
    with pytest.raises(Exception, match="No such file"):
        engine.containers.run(story.image, ["cat", "/mine"], remove=True)


def test_the_context_is_a_folder_with_artifacts_and_without_what_is_ignored(story: Story) -> None:
    files = {
        "app/Dockerfile.prod": f"FROM {story.image}\nCOPY . /all\nRUN find /all -type f | sort\n",
        "app/.dockerignore": "secret*\n*.log\n!kept.log",
        "app/secret.txt": "x",
        "app/a.log": "x",
        "app/kept.log": "x",
        "app/src/main.py": "x",
        "outside": "x",
    }
    commit(story.repository, files)
    claim = story.claim(build=BuildSpec(context="./app/", file="Dockerfile.prod"))
    attempt = performed(claim)
    log = text_of(attempt.log)

    assert attempt.reason == ""
    assert "/all/.dockerignore\n/all/Dockerfile.prod\n/all/kept.log\n/all/src/main.py\n" in log
    assert "outside" not in log


def test_a_dockerfile_that_is_not_there_fails_in_words(story: Story) -> None:
    attempt = story.perform(build=BuildSpec(file="no/Dockerfile"))

    assert attempt.reason == "there is no Dockerfile no/Dockerfile in the workspace, or it is not a plain file"


def test_what_the_engine_is_given_of_ours_is_in_no_image(story: Story) -> None:
    shop(story, "COPY . /all", "RUN find /all -type f | sort")
    attempt = story.perform(build=BuildSpec())

    assert attempt.reason == ""
    assert "/all/Dockerfile\n/all/greeting\n" in text_of(attempt.log)
    assert "slipway.Dockerfile" not in text_of(attempt.log)
    assert ".dockerignore" not in text_of(attempt.log)


def test_a_dockerignore_that_would_hang_a_matcher_hangs_no_build(story: Story) -> None:
    shop(story, "RUN echo built", **{".dockerignore": "**/" * 60 + "b\n", "a/" * 60 + "a": "deep"})
    attempt = story.perform(build=BuildSpec(), timeout_seconds=300)

    assert attempt.reason == ""
    assert "built\n" in text_of(attempt.log)


def test_a_link_that_leads_out_of_the_context_leads_nowhere(story: Story) -> None:
    (story.repository / "passwd").symlink_to("/etc/hostname")
    (story.repository / "up").symlink_to("../../../../etc")
    shop(story, "COPY passwd /stolen")
    attempt = story.perform(build=BuildSpec())

    assert attempt.status == Status.FAILED


def test_what_the_engine_would_fetch_is_refused_before_anything_is_built(story: Story) -> None:
    shop(story, "ADD http://127.0.0.1:1/ /x")
    attempt = story.perform(build=BuildSpec())

    assert attempt.reason.startswith("ADD http://127.0.0.1:1/: the engine would fetch it by itself")


def test_a_secret_of_the_run_is_masked_in_the_log_of_a_build(story: Story) -> None:
    factories.make_secret(story.project, "TOKEN", "hunter2hunter2")
    shop(story, "RUN echo hunter2hunter2 $TOKEN")
    attempt = story.perform(build=BuildSpec(), secrets=("TOKEN",))

    assert "hunter2" not in text_of(attempt.log)
    assert "***" in text_of(attempt.log)


def test_a_build_has_the_memory_of_a_stage(story: Story, settings: Settings) -> None:
    settings.SLIPWAY_STAGE_MEMORY_MB = 32
    shop(story, "RUN tail /dev/zero")
    attempt = story.perform(build=BuildSpec())

    assert attempt.status == Status.FAILED
    assert "137" in attempt.reason


def running(claim_attempt: Attempt) -> bool:
    return "begun" in text_of(claim_attempt.log)


def until_begun(attempt: Attempt) -> None:
    deadline = time.monotonic() + 120
    while not running(attempt):
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("how", ["cancelled", "timeout"])
def test_a_build_ends_when_it_must_and_leaves_no_container(
    story: Story, own_server: DockerExecutor, engine: DockerClient, how: str
) -> None:
    shop(story, "RUN echo begun; sleep 300")
    claim = story.claim(build=BuildSpec(), timeout_seconds=300 if how == "cancelled" else 6)
    ended: list[Attempt] = []

    def perform() -> None:
        ended.append(performed(claim))
        connection.close()

    thread = threading.Thread(target=perform)
    thread.start()
    if how == "cancelled":
        until_begun(claim.attempt)
        lifecycle.cancel(claim.attempt.stage.run, "ada (#1)")
    thread.join(120)

    [attempt] = ended
    expected = {"cancelled": (Status.CANCELLED, "cancelled"), "timeout": (Status.FAILED, "it took longer")}[how]
    assert (attempt.status, attempt.reason[: len(expected[1])]) == expected
    assert own_server.ours() == []
    assert half_built(engine, own_server) == []


def test_a_build_whose_runner_dies_is_built_again_by_the_next(
    story: Story, own_server: DockerExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.runs import output

    class Dead(BaseException):
        pass

    def die(*_args: object, **_options: object) -> None:
        raise Dead

    shop(story, "RUN echo begun")
    claim = story.claim(build=BuildSpec())
    with monkeypatch.context() as patched:
        patched.setattr(output, "keep", die)
        with pytest.raises(Dead):
            stage.run(claim)
    attempt = performed(taken_over(claim.attempt))

    assert (attempt.status, attempt.reason) == (Status.SUCCEEDED, "")
    assert "[slipway] the runner before this one has died: building again\n" in text_of(attempt.log)
    assert Artifact.objects.filter(attempt=attempt).count() == 1
    assert own_server.ours() == []


def test_a_runner_that_is_killed_in_the_middle_of_a_build_leaves_no_container(
    story: Story, own_server: DockerExecutor, engine: DockerClient, tmp_path: Path
) -> None:
    """The process that holds the connection is really killed; the engine ends the build."""
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(f"FROM {story.image}\nRUN echo begun; sleep 300\n")
    text = f"""
import io, sys, tarfile
from pathlib import Path
from runners.containers.docker import DockerExecutor
from runners.containers.beside import BuildPlan
from runners.containers.executor import Ownership
draft = io.BytesIO()
with tarfile.open(fileobj=draft, mode="w") as tar:
    tar.add({str(context)!r} + "/Dockerfile", "Dockerfile")
draft.seek(0)
executor = DockerExecutor({own_server._server!r}, None, Path({str(tmp_path / "lock")!r}))
say = lambda text: print(text, end="", flush=True)
executor.builds.build(BuildPlan(Ownership(1, 2, 3), "x", "Dockerfile"), draft, lambda: None, say)
"""
    import sys

    child = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith("begun"):
            break
    assert len(half_built(engine, own_server)) == 1
    child.kill()
    child.wait()
    child.stdout.close()
    deadline = time.monotonic() + 120
    while half_built(engine, own_server):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    for each in own_server.ours():
        own_server.clear(each.owner)
    assert own_server.ours() == []
