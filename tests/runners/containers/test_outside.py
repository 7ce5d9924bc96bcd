"""What a commit from outside the project is given of registries: nothing, by no way."""

from collections.abc import Iterator

import pytest
from docker import DockerClient

from pipelines.registries.models import Registry as Listed
from pipelines.spec.model import BuildSpec, ReadySpec, ServiceSpec
from pipelines.states.status import Status
from runners.containers.docker import DockerExecutor
from tests.lab.registry import Registry, registry
from tests.runners.containers.story import Story, commit, text_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("no_image_left")]

PASSWORD = "correct-horse-battery"


@pytest.fixture(scope="module")
def private_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registry(tmp_path_factory.mktemp("private"), "shop", PASSWORD) as one:
        yield one


@pytest.fixture
def precious(story: Story, private_registry: Registry) -> str:
    """An image that only the project may have; it lies on the machine, for a trusted stage of the project took it."""
    Listed.objects.create(host=private_registry.host, username="shop", password=PASSWORD, project=story.project)
    dockerfile(story, "RUN echo precious >/precious")
    tag = f"{private_registry.host}/precious:1"
    assert story.perform(build=BuildSpec(tags=(tag,), push=True)).reason == ""
    assert story.perform("cat /precious", image=tag).reason == ""
    return tag


def dockerfile(story: Story, *lines: str) -> None:
    commit(story.repository, {"Dockerfile": "\n".join((f"FROM {story.image}", *lines)) + "\n"})


def test_a_stage_from_outside_does_not_run_in_a_private_image_of_the_project(story: Story, precious: str) -> None:
    attempt = story.perform("cat /precious", image=precious, trusted=False)

    assert attempt.status == Status.FAILED
    assert f"{precious} cannot be pulled" in attempt.reason
    assert "precious\n" not in text_of(attempt.log)


def test_a_service_from_outside_is_no_private_image_of_the_project(story: Story, precious: str) -> None:
    told = ServiceSpec("db", precious, command="cat /precious", ready=ReadySpec(port=1, timeout_seconds=5))
    attempt = story.perform("true", services=(told,), trusted=False)

    assert attempt.status == Status.FAILED
    assert f"{precious} cannot be pulled" in attempt.reason


def test_a_build_from_outside_begins_from_no_private_image_of_the_project(story: Story, precious: str) -> None:
    dockerfile(story, f"COPY --from={precious} /precious /stolen", "RUN cat /stolen")
    attempt = story.perform(build=BuildSpec(), trusted=False)

    assert attempt.status == Status.FAILED
    assert "precious\n" not in text_of(attempt.log)


def test_a_build_from_outside_pushes_nowhere_and_is_not_begun(
    story: Story, precious: str, private_registry: Registry
) -> None:
    tag = f"{private_registry.host}/forged:1"
    attempt = story.perform(build=BuildSpec(tags=(tag,), push=True), trusted=False)

    assert attempt.status == Status.FAILED
    assert attempt.reason == f"{tag} cannot be pushed: the commit of this run comes from outside the project"
    assert text_of(attempt.log) == ""
    assert private_registry.digest("forged", "1") is None


def test_a_build_without_a_push_is_still_given_to_a_commit_from_outside(story: Story) -> None:
    dockerfile(story, "RUN echo built")
    attempt = story.perform(build=BuildSpec(), trusted=False)

    assert (attempt.status, attempt.reason) == (Status.SUCCEEDED, "")


def test_what_one_project_builds_has_a_name_that_no_other_can_guess_or_read(
    story: Story, own_server: DockerExecutor, engine: DockerClient
) -> None:
    dockerfile(story, "RUN echo mine >/mine")
    build = story.perform(build=BuildSpec())
    [image] = engine.images.list(filters={"label": f"slipway.server={own_server._server}"})
    [name] = image.tags
    other = Story(story.repository, story.image)
    dockerfile(other, f"COPY --from={name} /mine /stolen")
    refused = [other.perform("cat /mine", image=name), other.perform(build=BuildSpec())]
    dockerfile(other, f"COPY --from={str(image.id).removeprefix('sha256:')[:8]} /mine /stolen", "RUN cat /stolen")
    by_id = other.perform(build=BuildSpec())

    assert name.startswith("slipway-built/")
    assert len(name.rpartition(":")[2]) == 32
    assert name not in text_of(build.log)
    assert [one.reason[: len(name)] for one in refused] == [name, name]
    assert by_id.status == Status.FAILED
