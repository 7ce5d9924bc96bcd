"""A server with a long past, in seconds: a few runs made by the product's own verbs, then copied by the database.

Fifty projects; each run with its stages, attempts, logs, steps, reports, events and ledger. Nothing of it is unfinished
but deploys that wait for somebody's word, so that workers leave it alone.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from django.db import connection, models, transaction
from django.utils import timezone

from pipelines.audit.models import Act
from pipelines.audit.record import seal
from pipelines.deploys import releases
from pipelines.deploys.models import (
    Configuration,
    Credential,
    Deploy,
    Environment,
    Host,
    HostDeploy,
    HostKey,
    Release,
)
from pipelines.logs import store
from pipelines.logs.models import Chunk, Log, Page
from pipelines.outbox.models import Message, Notice
from pipelines.projects.models import Project
from pipelines.reports.models import Report, Result, TestCase
from pipelines.runs.models import Artifact, Attempt, Event, Run, Stage, Step
from pipelines.states.models import Transition
from pipelines.states.status import Status
from tests import factories
from tests.browser import pasts, prints
from tests.pipelines.reports.reporting import cases, report_stage

PROJECTS = 50
RUNS = 100_000
_BASE = 20  # runs made by hand
_TIMES = RUNS // PROJECTS // _BASE  # that each project has them
_STEP_HOURS = 14.0  # between a run and its copy
_SPEC = """\
image: python:3.12
stages:
  build: {steps: [python -m build], artifacts: [dist/]}
  test: {needs: [build], steps: [pytest -q]}
deploy:
  artifact: dist/
  path: /srv/shop
  activate: touch /srv/shop/restart
  health: {command: "true", timeout: 5s}
"""
# What each project has once, and what grows with its runs; each table after those that it refers to.
_PLACES: tuple[type[models.Model], ...] = (Project, Credential, Environment, Configuration, Host, HostKey, TestCase)
_GROWS: tuple[type[models.Model], ...] = (
    *(Run, Stage, Log, Chunk, Page, Attempt, Step, Artifact, Event, Transition),
    *(Report, Result, Release, Deploy, HostDeploy),
)
_OF_LEDGER = (Run, Stage, Attempt, Deploy, HostDeploy)


def build() -> int:
    """Fill an empty database; gives the number of runs."""
    _make_first_project()
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in _copies():
            cursor.execute(statement)
    _point_at_the_newest()
    _today()
    return Run.objects.count()


def _make_first_project() -> None:
    """The one that all others are copies of: two environments, twenty runs, some of them released and deployed."""
    project = factories.make_project("service")
    hosts = [f"web-{number}" for number in range(1, 9)]
    production = factories.make_environment(project, "production", hosts)
    staging = factories.make_environment(project, "staging", hosts[:3])
    factories.configure(production, {"WORKERS": "8"})
    for place in range(_BASE):
        ago = _STEP_HOURS * 3600 * (_TIMES - place / _BASE)
        ref = f"refs/heads/topic-{place % 4}" if place % 3 == 2 else project.default_ref
        told: dict[str, Any] = {
            "title": f"Change number {place}",
            "author": "dana",
            "actor": "dana",
            "payload": _payload(place),
        }
        run = factories.make_run(project, spec=_SPEC, ref=ref, **told)
        _finish(run, bad=place % 7 == 3)
        pasts.move_run(run, ago, 240 + 11 * place)
        _release(run, place, ago, production, staging)
    for log in Log.objects.all():
        store.archive(log)
    factories.make_host_key(production)


def _payload(place: int) -> dict[str, object]:
    commit = {"id": factories.make_sha(f"commit {place}"), "message": f"Change {place}", "author": {"name": "dana"}}
    return {"ref": "refs/heads/main", "commits": [commit], "pusher": {"name": "dana"}}


def _finish(run: Run, *, bad: bool) -> None:
    names = [f"test_{number}" for number in range(200)]
    factories.finish_stage(run, "build", text=prints.SHORT)
    report_stage(run, cases(names[2:], names[:2] if bad else [], names[198:]), stage="test")


def _release(run: Run, place: int, ago: float, production: Environment, staging: Environment) -> None:
    release = releases.release(run)
    if release is None:
        return
    pasts.move_release(release, ago - 300)
    pasts.move_deploy(factories.make_live(staging, release), ago - 400, 90)
    if place % 4 == 0:
        pasts.move_deploy(factories.make_live(production, release, actor="dana (#3)"), ago - 700, 160)


def _copies() -> Iterator[str]:
    """SQL for all of it: what a project has once, then what grows."""
    spans = {model: _highest(model) for model in (*_PLACES, *_GROWS)}
    counted: tuple[type[models.Model], ...] = (Run, Release, Deploy)
    counts = {model: model._default_manager.count() for model in counted}
    counting = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {}) SELECT {} FROM n"
    yield "CREATE TEMP TABLE place AS " + counting.format(PROJECTS - 1, "n AS p")
    numbers = f"n, n % {PROJECTS} AS p, n / {PROJECTS} AS k"
    yield "CREATE TEMP TABLE turn AS " + counting.format(PROJECTS * _TIMES - 1, numbers)
    for model in _PLACES:
        yield _copy(model, "place", {"n": "p", "p": "p", "k": "0"}, spans, counts)
    for model in _GROWS:
        yield _copy(model, "turn", {"n": "n", "p": "p", "k": "k"}, spans, counts)


def _highest(model: type[models.Model]) -> int:
    return int(model._default_manager.aggregate(highest=models.Max("pk"))["highest"] or 0)


def _copy(
    model: type[models.Model],
    source: str,
    by: dict[str, str],
    spans: dict[type[models.Model], int],
    counts: dict[type[models.Model], int],
) -> str:
    table, fields = model._meta.db_table, model._meta.concrete_fields
    values = ", ".join(_value(model, field, by, spans, counts) for field in fields)
    names = ", ".join(f'"{field.column}"' for field in fields)
    return f'INSERT INTO "{table}" ({names}) SELECT {values} FROM "{table}" AS base, {source}'  # noqa: S608  our own


def _value(
    model: type[models.Model],
    field: Any,
    by: dict[str, str],
    spans: dict[type[models.Model], int],
    counts: dict[type[models.Model], int],
) -> str:
    """The column of a copy, from that of its base."""
    column, target = f'base."{field.column}"', field.related_model if field.is_relation else None
    if field.primary_key or target in spans:
        named = target or model
        return f"{column} + {by['p'] if named in _PLACES else by['n']} * {spans[named]}"
    if model is Transition and field.name == "subject_id":
        cases = " ".join(f"WHEN '{one.machine.name}' THEN {spans[one]}" for one in _OF_LEDGER)
        return f"{column} + {by['n']} * CASE base.subject_kind {cases} ELSE 0 END"
    if field.name in ("number", "since") and model in counts:
        return f"{column} + {by['k']} * {counts[model]}"
    if field.unique or field.name == "delivery_id":
        return f"{column} || '-' || {by['n']}"
    if isinstance(field, models.DateTimeField):
        hours = f"'+' || ({by['k']} * {_STEP_HOURS}) || ' hours'"
        return f"strftime('%Y-%m-%d %H:%M:%f', {column}, {hours})"
    return column


def _point_at_the_newest() -> None:
    """What is live, and the next numbers, as if all of it had happened."""
    for project in Project.objects.all():
        project.next_run_number = project.runs.count() + 1
        project.next_release_number = project.releases.count() + 1
        project.next_deploy_number = Deploy.objects.filter(environment__project=project).count() + 1
        project.save()
        for environment in project.environments.all():
            live = environment.deploys.filter(status=Status.SUCCEEDED).latest("pk")
            Environment.objects.filter(pk=environment.pk).update(current=live.release)
            environment.hosts.update(release=live.release, checked_at=timezone.now(), listed_at=timezone.now())


def _today() -> None:
    """Something broken, something that waits for people, acts in the audit; and nothing to be told to anybody."""
    for project in Project.objects.order_by("pk")[3:6]:
        run = factories.make_run(project, spec=_SPEC, title="Break it", author="bob", actor="bob")
        factories.finish_stage(run, "build", Status.FAILED, text=prints.TESTS)
    for project in Project.objects.order_by("pk")[10:20]:
        production = project.environments.get(name="production")
        Environment.objects.filter(pk=production.pk).update(approvals=1)
        production.refresh_from_db()
        factories.make_deploy(production, project.releases.latest("pk"), actor="charlie (#9)")
    _acts(20_000)
    for model in (Message, Notice):
        model._default_manager.all().delete()


def _acts(count: int) -> None:
    said = ("locked", "deployed", "rolled back", "started a run", "changed the configuration")
    at = timezone.now() - timedelta(days=60)
    acts: Sequence[Act] = [
        Act(actor=f"dana (#{place % 30})", verb=said[place % 5], subject=f"service production {place}")
        for place in range(count)
    ]
    Act.objects.bulk_create(acts, batch_size=2000)
    Act.objects.filter(place=None).update(at=at)
    while seal():
        pass
