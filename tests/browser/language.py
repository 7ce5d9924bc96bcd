"""Runs that use the language: a large matrix, people who must agree, a fork, retries, services, what was taken over."""

from datetime import timedelta

from django.contrib.auth.models import Group, User
from django.utils import timezone

from pipelines.logs import store
from pipelines.projects.models import Member, Project, Role
from pipelines.roster import lifecycle as roster
from pipelines.roster.models import Kind, Runner
from pipelines.runs import approvals, lifecycle, receiving, reruns
from pipelines.runs.models import Artifact, Attempt, EventKind, Run, Stage
from pipelines.schedules import lifecycle as schedules
from pipelines.services.models import Service
from pipelines.states.status import Status
from tests import factories
from tests.browser import pasts, prints

MINUTE = 60
_MATRIX = """\
image: python:3.12
parameters:
  target: {options: [staging, production], default: staging, description: Where it is tried out}
  slow_tests: {type: boolean, default: false}
  note: {description: Stands in the log}
stages:
  build: {steps: [python -m build], artifacts: [dist/]}
  test:
    needs: [build]
    matrix: {python: ["3.10", "3.11", "3.12", "3.13", "3.14"], db: ["postgres:16", "postgres:17", mysql, sqlite]}
    services: {db: {image: postgres:16}}
    allow_failure: true
    retry: {times: 2, on: [infrastructure]}
    steps: [pytest -q]
  docs: {needs: [build], matrix: {lang: [en, de]}, steps: [make docs]}
  train-on-gpu: {needs: [build], labels: [gpu], steps: [./train]}
  pack: {needs: [build], when: {branch: release}, steps: [make pack]}
  publish: {needs: [test, docs], steps: [make publish]}
"""
_GATED = """\
image: python:3.12
stages:
  build: {steps: [python -m build]}
  ship:
    needs: [build]
    approval:
      by: [ops]
      count: 2
      message: Look at the figures of staging before you agree.
      ask:
        ticket: {description: Number of the change}
        size: {options: [one host, all hosts]}
    steps: [./ship]
  tell: {needs: [ship], when: {status: [succeeded, failed]}, steps: [./tell]}
"""


def build(operator: User, developer: User) -> dict[str, str]:
    """Name of each page → its path."""
    project = factories.make_project("engine", next_run_number=41)
    ops = Group.objects.create(name="ops")
    Member.objects.create(project=project, team=ops, role=Role.MAINTAINER)
    developer.groups.add(ops)
    operator.groups.add(ops)
    _runners()
    schedules.make(project, "nightly", "30 23 * * *", "Europe/Berlin", "", {}, "alice (#1)")
    gated = _gated(project, developer)
    matrix = _matrix(project)
    fork = _fork(project)
    red = _red(project)
    again = _again(red)
    by_hand = receiving.start_manually(project, project.default_ref, {"target": "production", "note": "x"}, "bob (#2)")
    factories.make_event(project, ref="refs/heads/docs", title="Mend a comma", message="x [skip ci]", actor="erin")
    place = "/projects/engine/runs"
    odd = "test%20%283.10%2C%20postgres%3A16%29"
    return {
        "matrix run": f"{place}/{matrix.number}/",
        "retried stage": f"{place}/{matrix.number}/?stage=test%20%283.11%2C%20mysql%29",
        "earlier attempt": f"{place}/{matrix.number}/?stage=test%20%283.12%2C%20mysql%29&attempt=1",
        "service's log": f"{place}/{matrix.number}/?stage={odd}&service=db",
        "stage without runner": f"{place}/{matrix.number}/?stage=train-on-gpu",
        "skipped stage": f"{place}/{matrix.number}/?stage=pack",
        "gated run": f"{place}/{gated.number}/",
        "fork's run": f"{place}/{fork.number}/",
        "taken over": f"{place}/{again.number}/?stage=build",
        "run by hand": f"{place}/{by_hand.number}/",
        "start": "/projects/engine/start/",
        "queue": "/queue/",
        "engine": "/projects/engine/",
        "engine's events": "/projects/engine/events/",
    }


def _runners() -> None:
    for pid in range(3):
        roster.register("runner-1", 4000 + pid, Kind.STAGE, ["docker"], "1.0")
    Runner.objects.update(seen_at=timezone.now() + timedelta(hours=1))  # nothing beats while pictures are taken


def _matrix(project: Project) -> Run:
    title = "Try every Python on every database"
    run = factories.make_run(project, spec=_MATRIX, title=title, author="dana", actor="dana")
    built = factories.finish_stage(run, "build", text=prints.SHORT)
    digest = "9f2c1ab0" * 8
    Artifact.objects.create(attempt=built, path="image engine:1.4", digest=digest, size=81_000_000, storage_name="")
    for python in ("3.10", "3.11", "3.12"):
        factories.finish_stage(run, f"test ({python}, sqlite)", text=prints.SHORT)
    factories.finish_stage(run, "test (3.13, sqlite)", Status.FAILED, text=prints.TESTS)
    _service(factories.finish_stage(run, "test (3.10, postgres:16)", text=prints.SHORT))
    _break(run, "test (3.11, mysql)", again=False)
    attempt = _break(run, "test (3.12, mysql)", again=True)
    factories.finish_stage(run, "docs (en)", text=prints.SHORT)
    running = factories.start_stage(run, "test (3.10, mysql)")
    factories.print_steps(running, [prints.TESTS])
    pasts.move_run(run, 221, 330)
    Stage.objects.filter(run=run, name="test (3.11, mysql)").update(ready_at=timezone.now() + timedelta(seconds=118))
    assert attempt.number == 2
    return run


def _break(run: Run, name: str, *, again: bool) -> Attempt:
    """An attempt that our own machinery broke; and one that goes on after it."""
    attempt = factories.start_stage(run, name)
    factories.print_steps(attempt, [b"collecting ...\n"])
    lifecycle.finish_attempt(attempt, Status.ERRORED, reason="the engine of runner-2 does not answer any more")
    Stage.objects.filter(run=run, name=name).update(ready_at=None)
    return factories.start_stage(run, name) if again else attempt


def _service(attempt: Attempt) -> None:
    log = store.open_log()
    text = b"PostgreSQL 16.4 starting\ndatabase system is ready to accept connections\n"
    store.append(log, text, len(text))
    store.close(log)
    Service.objects.create(attempt=attempt, name="db", image="postgres:16", condition="ready after 2.1 s", log=log)


def _gated(project: Project, developer: User) -> Run:
    run = factories.make_run(project, spec=_GATED, title="Bigger engine", author="erin", actor="erin")
    factories.finish_stage(run, "build", text=prints.SHORT)
    pasts.move_run(run, 6 * MINUTE, 60)
    gate = Stage.objects.select_related("run__project").get(run=run, name="ship")
    answers = {"ticket": "OPS-1931", "size": "one host"}
    approvals.approve(gate, developer, f"bob (#{developer.pk})", answers)
    return run


def _fork(project: Project) -> Run:
    event = factories.make_event(
        project, kind=EventKind.PULL_REQUEST, ref="refs/pull/88/head", title="Greet everybody", actor="eve", fork=True
    )
    assert event.run is not None
    pasts.move_run(event.run, 9 * MINUTE, 0)
    return event.run


def _red(project: Project) -> Run:
    run = factories.make_run(project, title="Round half to even", author="bob", actor="bob", ref="refs/heads/vat")
    factories.finish_stage(run, "build", text=prints.SHORT)
    factories.finish_stage(run, "test", Status.FAILED, text=prints.TESTS)
    pasts.move_run(run, 30 * MINUTE, 200)
    return run


def _again(red: Run) -> Run:
    again = reruns.rerun(Run.objects.get(pk=red.pk), "dana (#3)", only_failed=True)
    factories.plan(again)
    pasts.move_run(again, 3 * MINUTE, 200)
    return again
