"""What was under way when a backup was made ends with its restore, and nothing follows on it by itself."""

from datetime import timedelta

import pytest
from django.utils import timezone

from pipelines.backups import aftermath
from pipelines.backups.aftermath import Ended
from pipelines.caches.models import Cache
from pipelines.deploys import queue, releases
from pipelines.deploys import waits as waiting
from pipelines.deploys.models import Deploy, Environment, Waits
from pipelines.logs.models import Log
from pipelines.outbox.models import Message
from pipelines.projects.models import Project
from pipelines.roster import lifecycle as roster
from pipelines.roster.models import Kind, Runner
from pipelines.runs import lifecycle as runs
from pipelines.runs.models import Attempt, EventKind, Run, Stage
from pipelines.schedules import lifecycle as schedules
from pipelines.schedules.models import Schedule
from pipelines.states.status import Status
from tests.factories import (
    begin_deploy,
    finish_host,
    make_deploy,
    make_environment,
    make_green_run,
    make_live,
    make_project,
    make_run,
    start_stage,
)

pytestmark = pytest.mark.django_db
MADE_AT = "2026-11-21T20:00:00+00:00"


@pytest.fixture
def project() -> Project:
    return make_project(code_host_name="acme/shop", code_host_token="t0ken-t0ken", chat_channel="#shop")


def test_runs_that_were_queued_or_ran_end_and_say_why(project: Project) -> None:
    queued, running = make_run(project, spec=None), make_run(project)
    attempt = start_stage(running, "build")
    runs.note_secrets(attempt, {"TOKEN": "s3cret-value"})
    ended = aftermath.settle(MADE_AT)
    assert ended.runs == 2
    found = {run.pk: run.status for run in Run.objects.all()}
    assert found == {queued.pk: Status.CANCELLED, running.pk: Status.ERRORED}
    attempt.refresh_from_db()
    assert (attempt.status, attempt.secrets) == (Status.ERRORED, "")
    assert set(Stage.objects.values_list("name", "status")) == {("build", "errored"), ("test", "cancelled")}
    assert "nobody knows how it ended" in Run.objects.get(pk=running.pk).reason
    assert not Log.objects.filter(closed_at=None).exists()
    assert runs.unsettled() == []


def test_a_fork_s_run_that_waits_to_be_let_in_goes_on_waiting(project: Project) -> None:
    blocked = make_run(project, spec=None, kind=EventKind.PULL_REQUEST, ref="refs/pull/1/head", fork=True)
    aftermath.settle(MADE_AT)
    blocked.refresh_from_db()
    assert blocked.status == Status.BLOCKED


def test_a_deploy_that_ran_is_errored_and_not_rolled_back(project: Project) -> None:
    environment = make_environment(project)
    live = make_live(environment).release
    deploy = begin_deploy(make_deploy(environment))
    finish_host(deploy, "web-1")
    aftermath.settle(MADE_AT)
    deploy.refresh_from_db()
    environment.refresh_from_db()
    assert deploy.status == Status.ERRORED
    assert environment.current == live
    assert not Deploy.objects.filter(undoes=deploy).exists()
    assert deploy.hosts.get(host__name="web-2").status == Status.SKIPPED


def test_a_deploy_that_baked_or_waited_does_not_wake(project: Project) -> None:
    baking = begin_deploy(make_deploy(make_environment(project, "baking")))
    waiting.wait(baking, Waits.BAKE, "stays healthy", timezone.now())
    queued = make_deploy(make_environment(project, "waiting"))
    assert aftermath.settle(MADE_AT).deploys == 2
    waiting.wake()
    queue.settle_all()
    assert set(Deploy.objects.filter(pk__in=[baking.pk, queued.pk]).values_list("status", flat=True)) == {"cancelled"}


def test_what_gets_green_later_waits_until_a_person_has_looked(project: Project) -> None:
    environment = make_environment(project, automatic=True)
    aftermath.settle(MADE_AT)
    releases.release(make_green_run(project))
    queue.settle_all()
    deploy = Deploy.objects.get()
    assert (deploy.status, deploy.waits_for) == (Status.BLOCKED, Waits.PAUSED)
    environment.refresh_from_db()
    assert "compare with what its hosts run" in environment.paused_because
    queue.resume(environment, "ana (#1)", "looked")
    deploy.refresh_from_db()
    assert deploy.status == Status.QUEUED


def test_an_environment_that_was_paused_keeps_its_reason(project: Project) -> None:
    environment = make_environment(project)
    queue.pause(environment, "ana (#1)", "the shop is closed")
    assert aftermath.settle(MADE_AT).environments == 0
    assert Environment.objects.get().paused_because == "the shop is closed"


def test_nobody_is_told_what_was_not_told_then_nor_how_it_ends_now(project: Project) -> None:
    make_live(make_environment(project))
    start_stage(make_run(project))
    begin_deploy(make_deploy(make_environment(project, "staging")))
    assert aftermath.settle(MADE_AT).messages > 0
    assert not Message.objects.filter(sent_at=None, given_up_at=None).exists()


def test_times_that_have_passed_are_not_made_up_for(project: Project) -> None:
    nightly = schedules.make(project, "nightly", "30 2 * * *", "UTC", "", {}, "ana (#1)")
    Schedule.objects.update(next_at=timezone.now() - timedelta(days=9))
    aftermath.settle(MADE_AT)
    nightly.refresh_from_db()
    assert nightly.next_at is not None
    assert nightly.next_at > timezone.now()


def test_caches_and_runners_of_then_are_forgotten(project: Project) -> None:
    roster.register("build-7", 1, Kind.STAGE, [], "")
    Cache.objects.create(project=project, scope="refs/heads/main", name="pip", key="k", digest="d", size=1)
    assert aftermath.settle(MADE_AT) == Ended(0, 0, 0, 0)
    assert not Runner.objects.exists()
    assert not Cache.objects.exists()
    assert not Attempt.objects.exists()
