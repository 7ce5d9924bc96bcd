"""The story of one stage: real git, real containers, real records."""

import contextlib
import os
import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from pkgutil import resolve_name

import pytest
from django.db import connection
from django.utils import timezone
from docker import DockerClient
from pytest_django.fixtures import Settings

from pipelines.errors import LostRace, SystemFault
from pipelines.logs import store as logs
from pipelines.projects.models import Secret
from pipelines.reports.models import Report
from pipelines.runs import lifecycle
from pipelines.runs.lifecycle import Claim
from pipelines.runs.models import Attempt, Run, Stage
from pipelines.states.status import Status
from runners.containers import ahead, listening, stage, sweeping, waiting
from runners.containers.clearing import clearing
from runners.containers.docker import DockerExecutor, open_executor
from runners.containers.executor import Container, State
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)

OWNER = "test-worker"


@pytest.fixture(autouse=True)
def server(settings: Settings, tmp_path: Path) -> Iterator[DockerExecutor]:
    settings.SLIPWAY_SERVER_ID = f"test-{os.getpid()}-{secrets.token_hex(3)}"
    settings.SLIPWAY_MIRRORS_DIR = tmp_path / "mirrors"
    settings.MEDIA_ROOT = tmp_path / "storage"
    executor = open_executor()
    yield executor
    waiting.room.keep()
    clearing.finish(20)
    for container in executor.ours():
        executor.remove(container)
    executor.remove_network()
    executor.close()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "shop"
    git(tmp_path, "init", "--quiet", "--initial-branch=main", str(path))
    (path / "greeting").write_text("hello from the commit\n")
    git(path, "add", "--all")
    git(path, "commit", "--quiet", "--message", "a commit")
    return path


def git(path: Path, *args: str) -> str:
    who = ["-c", "user.name=Alice", "-c", "user.email=alice@example.org"]
    return subprocess.run(["git", "-C", path, *who, *args], check=True, capture_output=True, text=True).stdout.strip()


Planned = Callable[..., Run]


@pytest.fixture
def planned(repository: Path, busybox_image: str) -> Planned:
    """A planned run of the repository's commit, its stages as the given text says."""

    def plan(stages: str, ref: str = "refs/heads/main", **secret_values: str) -> Run:
        project = factories.make_project(clone_url=str(repository))
        for name, value in secret_values.items():
            factories.make_secret(project, name, value)
        sha = git(repository, "rev-parse", "HEAD")
        spec = f"image: {busybox_image}\nstages:\n{stages}"
        return factories.make_run(project, spec=spec, sha=sha, ref=ref)

    return plan


def claimed(run: Run, name: str = "") -> Claim:
    queued = run.stages.filter(status=Status.QUEUED)
    return lifecycle.claim_stage((queued.get(name=name) if name else queued.earliest("position")).pk, OWNER)


def performed(run: Run, name: str = "") -> Attempt:
    claim = claimed(run, name)
    stage.run(claim)
    claim.attempt.refresh_from_db()
    return claim.attempt


def left(server: DockerExecutor) -> list[Container]:
    assert clearing.finish(20)
    return server.ours()


def text_of(attempt: Attempt) -> str:
    attempt.log.refresh_from_db()
    return b"".join(logs.read(attempt.log)).decode()


def in_a_thread(claim: Claim) -> threading.Thread:
    def perform() -> None:
        with contextlib.suppress(LostRace):
            stage.run(claim)
        connection.close()

    thread = threading.Thread(target=perform)
    thread.start()
    return thread


def until(condition: Callable[[], bool], limit_seconds: float = 120) -> None:
    deadline = time.monotonic() + limit_seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def taken_over(attempt: Attempt) -> Claim:
    """The claim of a second runner, after the first has let its lease run out."""
    Attempt.objects.filter(pk=attempt.pk).update(lease_until=timezone.now() - timedelta(seconds=60))
    return lifecycle.claim_stage(attempt.stage_id, "second-worker")


def test_a_stage_runs_its_steps_on_the_commit(planned: Planned, server: DockerExecutor) -> None:
    run = planned("  build:\n    steps: [cat greeting, 'echo $SLIPWAY_BRANCH $SLIPWAY_RUN $CI']\n")
    attempt = performed(run)
    run.refresh_from_db()

    assert text_of(attempt) == f"hello from the commit\nmain {run.number} true\n"
    assert (attempt.status, attempt.exit_code, attempt.log.closed_at is None) == (Status.SUCCEEDED, 0, False)
    assert [
        (step.position, step.begins_at_byte, step.ends_at_byte, step.exit_code) for step in attempt.steps.all()
    ] == [
        (0, 0, 22, 0),
        (1, 22, attempt.log.size, 0),
    ]
    assert run.status == Status.SUCCEEDED
    assert left(server) == []


def test_a_failed_step_fails_the_stage_and_says_which(planned: Planned, server: DockerExecutor) -> None:
    run = planned(
        "  build:\n    steps: ['true', {name: unit tests, run: exit 3}, echo never]\n  ship:\n    steps: ['true']\n"
    )
    attempt = performed(run)

    assert (attempt.status, attempt.exit_code) == (Status.FAILED, 3)
    assert attempt.reason == "step 2, unit tests, ended with code 3"
    assert Stage.objects.get(run=run, name="ship").status == Status.SKIPPED
    assert left(server) == []


def test_what_a_stage_keeps_lies_in_the_workspace_of_the_next(planned: Planned) -> None:
    first = "  build:\n    steps: [mkdir -p dist/sub, echo made >dist/sub/file]\n    artifacts: [dist/]\n"
    run = planned(first + "  test:\n    needs: [build]\n    steps: [cat dist/sub/file]\n")
    made = performed(run, "build")
    attempt = performed(run, "test")

    assert [(artifact.path, len(artifact.digest)) for artifact in made.artifacts.all()] == [("dist", 64)]
    assert text_of(attempt) == "made\n"


def test_an_artifact_that_is_not_there_fails_the_stage(planned: Planned) -> None:
    attempt = performed(planned("  build:\n    steps: [mkdir out]\n    artifacts: [dist/]\n"))

    assert attempt.status == Status.FAILED
    assert attempt.reason == "artifact path 'dist' does not exist; in the workspace there is: .git/, greeting, out/"


def test_the_reason_shows_no_secret_and_takes_any_name_of_a_file(planned: Planned) -> None:
    step = "touch $TOKEN; touch $(printf 'caf\\351')"
    stages = f"  build:\n    secrets: [TOKEN]\n    steps:\n      - |\n        {step}\n    artifacts: [dist/]\n"
    attempt = performed(planned(stages, TOKEN="hunter2hunter2"))

    assert attempt.status == Status.FAILED
    assert "there is: " in attempt.reason
    assert {"***", "caf?"} <= set(attempt.reason.partition("there is: ")[2].split(", "))


def test_a_secret_is_given_and_never_shown(planned: Planned) -> None:
    step = "echo is $TOKEN; echo $TOKEN | base64; i=0; while [ $i -lt 3 ]; do printf $TOKEN; i=$((i+1)); done"
    stages = f"  build:\n    secrets: [TOKEN]\n    steps:\n      - |\n        {step}\n"
    attempt = performed(planned(stages, TOKEN="hunter2hunter2"))

    assert text_of(attempt).startswith("is ***\n***")
    assert text_of(attempt).endswith("*********")
    assert "hunter2" not in text_of(attempt)


def test_a_secret_that_the_project_lacks_fails_the_stage(planned: Planned, server: DockerExecutor) -> None:
    attempt = performed(planned("  build:\n    secrets: [TOKEN]\n    steps: ['true']\n"))

    assert attempt.status == Status.FAILED
    assert "has no secret TOKEN" in attempt.reason


def test_an_unknown_image_fails_the_stage(planned: Planned) -> None:
    attempt = performed(planned("  build:\n    image: no-such-image.invalid/x\n    steps: ['true']\n"))

    assert attempt.status == Status.FAILED
    assert "no-such-image.invalid/x" in attempt.reason


def test_a_commit_that_was_pushed_away_fails_the_stage(planned: Planned, repository: Path) -> None:
    run = planned("  build:\n    steps: ['true']\n")
    git(repository, "commit", "--quiet", "--amend", "--message", "another")
    git(repository, "reflog", "expire", "--expire=all", "--all")
    git(repository, "gc", "--quiet", "--prune=now")
    attempt = performed(run)

    assert attempt.status == Status.FAILED
    assert "force-pushed" in attempt.reason


def test_a_stage_that_takes_too_long_is_stopped_and_may_clean_up(planned: Planned) -> None:
    step = "trap 'echo cleaned; exit 1' TERM; echo begun; while :; do sleep 0.1; done"
    stages = f"  build:\n    timeout: 6s\n    steps:\n      - |\n        {step}\n"
    attempt = performed(planned(stages))

    assert attempt.status == Status.FAILED
    assert attempt.reason == "it took longer than its timeout of 6 s"
    assert text_of(attempt).replace("Terminated\n", "") == "begun\ncleaned\n"


def test_a_cancelled_stage_that_ignores_it_is_killed(
    planned: Planned, monkeypatch: pytest.MonkeyPatch, server: DockerExecutor
) -> None:
    monkeypatch.setattr(listening, "GRACE_SECONDS", 1.0)
    run = planned("  build:\n    steps:\n      - |\n        trap '' TERM; echo begun; while :; do sleep 1; done\n")
    claim = claimed(run)
    thread = in_a_thread(claim)
    until(lambda: "begun" in text_of(claim.attempt))
    lifecycle.cancel(run, "ada (#1)")
    thread.join(120)
    run.refresh_from_db()
    attempt = Attempt.objects.get(pk=claim.attempt.pk)

    assert (attempt.status, attempt.reason, run.status) == (Status.CANCELLED, "cancelled by ada (#1)", Status.CANCELLED)
    assert left(server) == []


def test_a_log_beyond_its_limit_stops_the_stage(planned: Planned, settings: Settings) -> None:
    settings.SLIPWAY_LOG_LIMIT_MB = 1
    attempt = performed(planned("  build:\n    steps: [yes a line of text]\n"))

    assert (attempt.status, attempt.reason) == (Status.FAILED, "its log reached the limit of 1 MiB")
    assert text_of(attempt).endswith("limit of 1 MiB: the stage is stopped, the rest is lost.\n")


def test_want_of_memory_is_the_reason(planned: Planned, settings: Settings) -> None:
    settings.SLIPWAY_STAGE_MEMORY_MB = 32
    attempt = performed(planned("  build:\n    steps: [tail /dev/zero]\n"))

    assert (attempt.status, attempt.reason) == (Status.FAILED, "it needed more than its 32 MiB of memory")


def test_a_container_that_is_ended_from_outside_is_no_failure_of_the_code(
    planned: Planned, engine: DockerClient
) -> None:
    claim = claimed(planned("  build:\n    steps: [echo begun; sleep 600]\n"))
    raised: list[BaseException] = []

    def perform() -> None:
        try:
            stage.run(claim)
        except SystemFault as fault:
            raised.append(fault)
        connection.close()

    thread = threading.Thread(target=perform)
    thread.start()
    until(lambda: "begun" in text_of(claim.attempt))
    engine.containers.get(Attempt.objects.get(pk=claim.attempt.pk).container).kill()
    thread.join(120)

    assert "ended from outside, with code 137" in str(raised[0])


LetGo = Callable[[str], None]

LONG = """\
  build:
    secrets: [TOKEN]
    artifacts: [side]
    steps:
      - echo begun >>side; i=0; while [ $i -lt 80 ]; do echo line $i é $TOKEN; sleep 0.02; i=$((i+1)); done
      - cat side; exit 0
"""
# Waits in its middle, so that what is done meanwhile is done in time on any machine.
HELD = LONG.replace("sleep 0.02;", "[ $i != 40 ] || until [ -e /tmp/go ]; do sleep 0.1; done;")
LONG_TEXT = "".join(f"line {i} é ***\n" for i in range(80)) + "begun\n"


class Dead(BaseException):
    """The runner is gone: nothing of it may clean up."""


MOMENTS = [
    ("before", "runners.containers.docker.DockerExecutor.create"),
    ("after", "runners.containers.docker.DockerExecutor.create"),
    ("after", "pipelines.runs.lifecycle.note_container"),
    ("after", "runners.containers.docker.DockerExecutor.put"),
    ("before", "runners.containers.docker.DockerExecutor.start"),
    ("after", "runners.containers.docker.DockerExecutor.start"),
    ("before", "runners.containers.preparation.supply"),
    ("before", "runners.containers.streams.Live.go"),
    ("after", "runners.containers.streams.Live.go"),
    ("before", "pipelines.runs.output.append"),
    ("after", "pipelines.runs.output.append"),
    ("before", "runners.containers.docker.DockerExecutor.wait"),
    ("before", "runners.artifacts.collect"),
    ("after", "runners.artifacts.collect"),
    ("before", "pipelines.runs.output.keep"),
    ("after", "pipelines.runs.output.keep"),
]


@pytest.mark.parametrize(("when", "moment"), MOMENTS)
def test_a_runner_that_dies_at_any_moment_changes_nothing(
    planned: Planned, monkeypatch: pytest.MonkeyPatch, server: DockerExecutor, moment: str, when: str
) -> None:
    claim = claimed(planned(LONG, TOKEN="hunter2hunter2"))
    container, _, name = moment.rpartition(".")
    with monkeypatch.context() as patched:
        target = resolve_name(container)
        real = getattr(target, name)

        def dying(*args: object, **options: object) -> object:
            if when == "before":
                raise Dead
            real(*args, **options)
            raise Dead

        patched.setattr(target, name, dying)
        with pytest.raises(Dead):
            stage.run(claim)
    second = taken_over(claim.attempt)
    stage.run(second)

    attempt = Attempt.objects.get(pk=claim.attempt.pk)
    assert (attempt.status, attempt.reason, attempt.exit_code) == (Status.SUCCEEDED, "", 0)
    assert text_of(attempt) == LONG_TEXT
    assert [step.exit_code for step in attempt.steps.order_by("position")] == [0, 0]
    assert [artifact.path for artifact in attempt.artifacts.all()] == ["side"]
    assert logs.doubled_or_missing() == []
    assert left(server) == []


TWO = """\
  build:
    artifacts: [made]
    steps: ["echo build >made; until [ -e /tmp/go ]; do sleep 0.1; done"]
  test:
    needs: [build]
    secrets: [TOKEN]
    steps: [cat made; echo $TOKEN $SLIPWAY_STAGE $SLIPWAY_ATTEMPT]
"""
TWO_TEXT = "build\n*** test 1\n"


def waiting_for(server: DockerExecutor, name: str) -> list[Container]:
    pk = Stage.objects.get(name=name).pk
    return [container for container in server.ours() if container.owner.stage == pk]


def made_ahead(server: DockerExecutor, name: str) -> Container:
    until(lambda: any(container.state == State.RUNNING for container in waiting_for(server, name)))
    return waiting_for(server, name)[0]


@pytest.fixture
def let_go(server: DockerExecutor, engine: DockerClient) -> LetGo:
    """The stage of that name need not wait any longer."""

    def go(name: str) -> None:
        engine.containers.get(waiting_for(server, name)[0].id).exec_run(["touch", "/tmp/go"])

    return go


def test_the_container_of_the_next_stage_is_made_while_one_runs_and_is_the_one_that_it_gets(
    planned: Planned, server: DockerExecutor, let_go: LetGo
) -> None:
    run = planned(TWO, TOKEN="hunter2hunter2")
    first = in_a_thread(claimed(run, "build"))
    ready = made_ahead(server, "test")
    let_go("build")
    first.join(120)
    attempt = performed(run, "test")

    assert (attempt.status, attempt.container) == (Status.SUCCEEDED, ready.id)
    assert text_of(attempt) == TWO_TEXT
    assert left(server) == []


@pytest.mark.parametrize("change", ["secret", "limit"])
def test_what_was_made_ahead_is_not_used_when_something_was_changed_meanwhile(
    planned: Planned, server: DockerExecutor, let_go: LetGo, settings: Settings, change: str
) -> None:
    run = planned(TWO, TOKEN="hunter2hunter2")
    first = in_a_thread(claimed(run, "build"))
    ready = made_ahead(server, "test")
    let_go("build")
    first.join(120)
    if change == "secret":
        Secret.objects.update(value="rotated-meanwhile")
    else:
        settings.SLIPWAY_STAGE_PIDS = 100
    attempt = performed(run, "test")

    assert attempt.status == Status.SUCCEEDED
    assert attempt.container != ready.id
    assert text_of(attempt) == TWO_TEXT
    assert left(server) == []


def test_what_was_made_ahead_of_a_stage_that_never_comes_is_removed(
    planned: Planned, server: DockerExecutor, let_go: LetGo
) -> None:
    run = planned(TWO.replace("; done", "; done; exit 1"), TOKEN="hunter2hunter2")
    first = in_a_thread(claimed(run, "build"))
    made_ahead(server, "test")
    let_go("build")
    first.join(120)

    assert Stage.objects.get(name="test").status == Status.SKIPPED
    assert left(server) == []


def test_what_was_made_ahead_and_was_ended_meanwhile_is_made_anew(
    planned: Planned, server: DockerExecutor, let_go: LetGo, engine: DockerClient
) -> None:
    run = planned(TWO, TOKEN="hunter2hunter2")
    first = in_a_thread(claimed(run, "build"))
    ready = made_ahead(server, "test")
    let_go("build")
    first.join(120)
    engine.containers.get(ready.id).remove(force=True)
    attempt = performed(run, "test")

    assert attempt.status == Status.SUCCEEDED
    assert text_of(attempt) == TWO_TEXT


def test_another_worker_that_claims_the_next_stage_makes_its_own(
    planned: Planned, server: DockerExecutor, let_go: LetGo, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = planned(TWO, TOKEN="hunter2hunter2")
    first = in_a_thread(claimed(run, "build"))
    ready = made_ahead(server, "test")
    let_go("build")
    first.join(120)
    monkeypatch.setattr(ahead, "room", waiting.WaitingRoom())
    attempt = performed(run, "test")

    assert (attempt.status, attempt.container != ready.id) == (Status.SUCCEEDED, True)
    assert text_of(attempt) == TWO_TEXT


def test_nothing_is_made_ahead_when_it_is_switched_off(
    planned: Planned, server: DockerExecutor, settings: Settings
) -> None:
    settings.SLIPWAY_PREPARE_AHEAD = 0
    run = planned(TWO.replace("until [ -e /tmp/go ]; do sleep 0.1; done", "sleep 1"), TOKEN="hunter2hunter2")
    performed(run, "build")

    assert left(server) == []
    assert text_of(performed(run, "test")) == TWO_TEXT


def test_the_sweep_leaves_what_waits_and_takes_what_waits_in_vain(
    planned: Planned, server: DockerExecutor, let_go: LetGo
) -> None:
    run = planned(TWO, TOKEN="hunter2hunter2")
    first = in_a_thread(claimed(run, "build"))
    ready = made_ahead(server, "test")
    assert sweeping.sweep() == 0
    server.terminate(ready)  # as if its runner had died
    server.wait(ready, 120)
    assert sweeping.sweep() == 1
    let_go("build")
    first.join(120)

    assert text_of(performed(run, "test")) == TWO_TEXT
    assert left(server) == []


def test_a_stage_that_prints_nothing_for_too_long_is_stopped_and_its_step_is_named(planned: Planned) -> None:
    steps = "['true', {name: pytest, run: 'echo begun; sleep 600'}]"
    attempt = performed(planned(f"  build:\n    idle_timeout: 5s\n    steps: {steps}\n"))

    assert (attempt.status, attempt.reason) == (Status.FAILED, "step 2, pytest, printed nothing for 5 s")
    assert text_of(attempt).startswith("begun\n")


def test_the_reports_of_a_failed_stage_are_kept_and_its_steps_decide(planned: Planned, server: DockerExecutor) -> None:
    report = '<testsuite><testcase classname="t" name="one"/><testcase classname="t" name="two"><failure/></testcase>'
    step = f"echo '{report}</testsuite>' >report.xml; exit 1"
    stages = f"  build:\n    reports: {{junit: report.xml}}\n    steps:\n      - |\n        {step}\n"
    attempt = performed(planned(stages))

    assert (attempt.status, attempt.exit_code) == (Status.FAILED, 1)
    assert Report.objects.get(attempt=attempt).failed == 1
    assert left(server) == []


def test_tests_that_failed_fail_a_stage_whose_steps_did_not(planned: Planned) -> None:
    report = '<testsuite><testcase classname="t" name="one"><failure/></testcase></testsuite>'
    steps = f"    steps:\n      - |\n        echo '{report}' >report.xml\n"
    attempt = performed(planned(f"  build:\n    reports: {{junit: report.xml}}\n{steps}"))

    assert (attempt.status, attempt.reason) == (Status.FAILED, "1 test failed, say its reports")


def test_a_step_that_failed_in_time_is_the_reason_however_late_it_is_judged(
    planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = claimed(planned("  build:\n    timeout: 30s\n    steps: [exit 3]\n"))
    with monkeypatch.context() as patched:
        patched.setattr(lifecycle, "finish_attempt", die)
        with pytest.raises(Dead):
            stage.run(claim)
    Attempt.objects.filter(pk=claim.attempt.pk).update(started_at=timezone.now() - timedelta(seconds=90))
    stage.run(taken_over(claim.attempt))

    attempt = Attempt.objects.get(pk=claim.attempt.pk)
    assert (attempt.status, attempt.reason) == (Status.FAILED, "step 1, exit 3, ended with code 3")


def die(*_args: object, **_options: object) -> None:
    raise Dead


def test_a_runner_that_was_only_slow_steps_back(planned: Planned, let_go: LetGo) -> None:
    claim = claimed(planned(HELD, TOKEN="hunter2hunter2"))
    slow = in_a_thread(claim)
    until(lambda: "line 20" in text_of(claim.attempt))
    second = taken_over(claim.attempt)
    let_go("build")
    stage.run(second)
    slow.join(120)

    attempt = Attempt.objects.get(pk=claim.attempt.pk)
    assert (attempt.status, attempt.owner) == (Status.SUCCEEDED, "second-worker")
    assert text_of(attempt) == LONG_TEXT


@pytest.mark.parametrize("change", [{"value": "rotated-meanwhile"}, None], ids=["rotated", "deleted"])
def test_a_secret_that_is_changed_while_a_stage_runs_stays_masked_after_a_takeover(
    planned: Planned, let_go: LetGo, change: dict[str, str] | None
) -> None:
    claim = claimed(planned(HELD, TOKEN="hunter2hunter2"))
    slow = in_a_thread(claim)
    until(lambda: "line 20" in text_of(claim.attempt))
    if change is None:
        Secret.objects.all().delete()
    else:
        Secret.objects.update(**change)
    second = taken_over(claim.attempt)
    let_go("build")
    stage.run(second)
    slow.join(120)

    attempt = Attempt.objects.get(pk=claim.attempt.pk)
    assert (attempt.status, attempt.secrets) == (Status.SUCCEEDED, "")
    assert text_of(attempt) == LONG_TEXT


def test_the_secret_of_one_stage_is_masked_in_the_log_of_the_next(planned: Planned) -> None:
    first = "  build:\n    secrets: [TOKEN]\n    steps: ['echo $TOKEN >out']\n    artifacts: [out]\n"
    run = planned(f"{first}  show:\n    needs: [build]\n    steps: [cat out]\n", TOKEN="hunter2hunter2")
    performed(run)
    assert text_of(performed(run)) == "***\n"


def test_a_container_that_vanished_is_no_success(planned: Planned, server: DockerExecutor) -> None:
    claim = claimed(planned("  build:\n    steps: [sleep 60]\n"))
    lifecycle.note_container(claim.attempt, "f" * 64)

    with pytest.raises(SystemFault, match="not on this machine"):
        stage.run(taken_over(claim.attempt))
