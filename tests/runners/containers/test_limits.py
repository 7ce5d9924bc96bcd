"""What a stage gets of the machine, and what an operator alone can give."""

from dataclasses import replace
from typing import Any

import pytest
from docker import DockerClient
from pytest_django.fixtures import Settings

from pipelines.projects.models import Project
from pipelines.registries.models import Registry
from pipelines.registries.queries import standing
from pipelines.runs.models import Run
from pipelines.spec.model import ResourcesSpec
from pipelines.states.status import Status
from runners.containers.docker import DockerExecutor
from runners.containers.executor import Access, Container, ContainerPlan, Credential
from runners.containers.pulling import host_of
from runners.containers.registries import (
    ImageRefused,
    PushRefused,
    access_to,
    credentials_of,
    must_ask,
    push_credential,
)
from runners.containers.resources import capped, limits_of
from tests import factories
from tests.runners.containers.story import Story, text_of

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_is_not_said_is_the_servers_default(settings: Settings) -> None:
    settings.SLIPWAY_STAGE_MEMORY_MB, settings.SLIPWAY_STAGE_CPUS = 100, 0.5
    limits = limits_of(ResourcesSpec())

    assert (limits.memory_bytes, limits.cpus) == (100 * 1024**2, 0.5)
    assert capped(ResourcesSpec()) == []


def test_more_than_the_server_gives_is_capped_and_told(settings: Settings) -> None:
    settings.SLIPWAY_STAGE_MEMORY_MB_MAX, settings.SLIPWAY_STAGE_CPUS_MAX = 4000, 3.0
    asked = ResourcesSpec(cpus=64, memory_mb=100_000)
    limits = limits_of(asked)

    assert (limits.memory_bytes, limits.cpus) == (4000 * 1024**2, 3.0)
    assert capped(asked) == [
        "memory: 4000 MB instead of 100000 MB, the most that this server gives",
        "cpus: 3 instead of 64, the most that this server gives",
    ]


def test_a_stage_has_what_it_asked_for_and_its_log_tells_what_it_has_not(story: Story, settings: Settings) -> None:
    settings.SLIPWAY_STAGE_CPUS_MAX = 2.0
    step = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max"
    attempt = story.perform(step, resources=ResourcesSpec(cpus=99, memory_mb=123))

    assert text_of(attempt.log) == (
        f"[slipway] cpus: 2 instead of 99, the most that this server gives\n{123 * 1024**2}\n"
    )


def test_want_of_the_memory_it_asked_for_is_told_with_its_amount(story: Story) -> None:
    attempt = story.perform("tail /dev/zero", resources=ResourcesSpec(memory_mb=40))

    assert attempt.reason == "it needed more than its 40 MiB of memory"


def test_privileged_is_refused_before_anything_starts(story: Story, own_server: DockerExecutor) -> None:
    attempt = story.perform("true", privileged=True)

    assert (attempt.status, attempt.container) == (Status.FAILED, "")
    assert attempt.reason == (
        f"`privileged` gives a stage the whole machine: an operator has to allow it to the project {story.project}"
    )
    assert own_server.ours() == []


def test_a_project_that_an_operator_trusts_may_be_privileged_and_only_where_it_asks(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was asked of the engine; whether a privileged container starts depends on the machine under it."""
    Project.objects.filter(pk=story.project.pk).update(may_be_privileged=True)
    story.project.refresh_from_db()
    asked: list[bool] = []
    create = DockerExecutor.create

    def noted(self: DockerExecutor, plan: ContainerPlan, *rest: Any) -> Container:
        asked.append(plan.privileged)
        return create(self, replace(plan, privileged=False), *rest)

    monkeypatch.setattr(DockerExecutor, "create", noted)
    assert story.perform("true", privileged=True).reason == ""
    assert story.perform("true").reason == ""
    assert asked == [True, False]


def test_foreign_code_is_never_privileged(story: Story, own_server: DockerExecutor) -> None:
    Project.objects.filter(pk=story.project.pk).update(may_be_privileged=True)
    story.project.refresh_from_db()
    attempt = story.perform("true", privileged=True, trusted=False)

    assert attempt.reason == "`privileged` is not given to a commit from outside the project"
    assert own_server.ours() == []


def test_a_failed_step_is_told_by_its_own_limits(story: Story) -> None:
    from pipelines.spec.model import StepSpec

    late = story.perform("true", StepSpec("tests", "sleep 60", timeout_seconds=1))
    lost = story.perform(StepSpec("tests", "true", workdir="no/where"))

    assert late.reason == "step 2, tests, took longer than its timeout of 1 s"
    assert lost.reason == "step 1, tests, could not begin: its workdir no/where is no directory in the workspace"


@pytest.mark.parametrize(
    ("image", "host"),
    [
        ("python:3.12", "docker.io"),
        ("library/python", "docker.io"),
        ("registry.example.org/shop", "registry.example.org"),
        ("127.0.0.1:5000/shop:1@sha256:00", "127.0.0.1:5000"),
        ("localhost/shop", "localhost"),
        ("index.docker.io/shop", "docker.io"),
    ],
)
def test_the_registry_of_an_image_is_in_its_name(image: str, host: str) -> None:
    assert host_of(image) == host


def test_a_projects_own_sign_in_goes_before_everybodys() -> None:
    mine, other = factories.make_project(), factories.make_project()
    Registry.objects.create(host="r.example", username="all", password="p" * 9)
    Registry.objects.create(host="r.example", username="mine", password="p" * 9, project=mine)

    mine_run, other_run = Run(project=mine), Run(project=other)
    credential = access_to(mine_run, "r.example/x").credential
    assert credential is not None
    assert credential.username == "mine"
    assert "p" * 9 not in repr(credential) + repr(standing(mine, "r.example"))
    shared = access_to(other_run, "r.example/x")
    assert shared.credential is not None
    assert (shared.credential.username, shared.ask) == ("all", True)
    assert not access_to(other_run, "elsewhere.example/x").ask


def test_what_a_build_begins_from_is_asked_for_where_others_sign_in() -> None:
    project = factories.make_project()
    mine, other = Run(project=project), Run(project=factories.make_project())
    Registry.objects.create(host="r.example", username="mine", password="p" * 9, project=project)

    assert must_ask(other, ["busybox", "r.example/x"])
    assert must_ask(other, ["busybox:$TAG"])
    assert not must_ask(other, ["busybox"])
    assert not must_ask(mine, ["r.example/x", "busybox:$TAG"])


@pytest.mark.parametrize("image", ["3fa2", "sha256$REST", "$BASE", "3f${REST}"])
def test_what_may_be_the_id_of_anybodys_image_is_asked_for_in_its_registry(image: str) -> None:
    assert must_ask(Run(project=factories.make_project()), ["busybox", image])


@pytest.mark.parametrize("host", ["r.example", "R.example"])
def test_a_commit_from_outside_signs_in_nowhere_and_takes_nothing_unasked_where_anybody_does(host: str) -> None:
    project = factories.make_project()
    Registry.objects.create(host="r.example", username="mine", password="p" * 9, project=project)
    Registry.objects.create(host="open.example")
    run = Run(project=project, trusted=False)

    assert access_to(run, f"{host}/x") == Access(Credential(host), ask=True)
    assert access_to(run, "open.example/x") == Access(Credential("open.example"))
    assert credentials_of(run) == ()
    assert must_ask(run, ["busybox", f"{host}/x"])
    assert must_ask(run, ["busybox:$TAG"])
    assert not must_ask(run, ["open.example/x", "busybox"])
    with pytest.raises(PushRefused, match="comes from outside"):
        push_credential(run, f"{host}/x:1")


@pytest.mark.parametrize(
    "image",
    ["slipway-built/s:0", "docker.io/slipway-built/s:0", "index.docker.io/slipway-built/s:0", "sha256:3fa2"],
)
def test_what_builds_left_on_the_machine_is_nobodys_to_name(image: str) -> None:
    run = Run(project=factories.make_project())

    with pytest.raises(ImageRefused, match="push it"):
        access_to(run, image)
    with pytest.raises(ImageRefused):
        must_ask(run, ["busybox", image])
    assert access_to(run, "r.example/slipway-built/s:0") == Access()


def test_nothing_is_pushed_where_no_operator_allows_it() -> None:
    run = Run(project=factories.make_project())
    Registry.objects.create(host="r.example", may_push=False)

    for tag in ("r.example/x:1", "unknown.example/x:1", "shop:1"):
        with pytest.raises(PushRefused):
            push_credential(run, tag)


def test_a_password_is_stored_encrypted(engine: DockerClient) -> None:
    from django.db import connection

    Registry.objects.create(host="r.example", username="u", password="correct-horse")
    with connection.cursor() as cursor:
        cursor.execute("SELECT password FROM registries_registry")
        assert "correct-horse" not in cursor.fetchone()[0]
