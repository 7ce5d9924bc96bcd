"""Every model has its place in the admin, or a reason for none; lists ask as often for many rows as for few."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from pipelines.audit.models import Act
from pipelines.audit.record import record
from pipelines.deploys import locks, requests
from pipelines.deploys.models import Deploy
from pipelines.feeds import lifecycle as feeds
from pipelines.feeds.models import Badge, Calendar
from pipelines.projects.models import Role
from pipelines.roster import lifecycle as roster
from pipelines.roster.models import Kind, Runner
from pipelines.runs.models import Run
from pipelines.schedules import lifecycle as schedules
from pipelines.schedules.models import Schedule
from pipelines.states.status import Status
from tests.factories import (
    configure,
    finish_stage,
    make_deploy,
    make_environment,
    make_host_key,
    make_live,
    make_operator,
    make_person,
    make_project,
    make_run,
    make_secret,
    unique,
)

pytestmark = pytest.mark.django_db
LEFT_OUT = {
    LogEntry: "the audit tells it, and cannot be changed",
    Permission: "access is decided in one module of ours, not by Django's table",
    ContentType: "Django's own bookkeeping",
    Session: "whoever reads it can take a session over",
}
OTHERS = ("account", "socialaccount", "axes", "mfa", "usersessions", "django_rq")  # libraries' own, chosen by theirs
OURS = [model for model in apps.get_models() if model._meta.app_label not in OTHERS and model not in LEFT_OUT]
WRITABLE_AT_MOST = 30
AT_MOST = 20  # session, person, count twice, rows, and a query for each filter


@pytest.fixture
def operator() -> Client:
    client = Client()
    client.force_login(make_operator())
    return client


def fill() -> None:
    """A row or two in most tables, each with names of its own."""
    project = make_project()
    environment = make_environment(project)
    configure(environment, {"A": unique("value")})
    make_live(environment)
    make_deploy(environment)
    make_host_key(environment)
    make_secret(project)
    person = make_person(project=project, role=Role.OWNER)
    locks.take(environment, person, "ana (#1)", "a test")
    schedules.make(project, "nightly", "30 2 * * *", "UTC", "", {}, "ana (#1)")
    finish_stage(make_run(project), status=Status.FAILED)
    roster.register(unique("host"), 1, Kind.STAGE, [], "")
    feeds.badge_of(project)
    feeds.make_calendar(person, project, "ana (#1)")
    record("ana (#1)", "looked", "around")


def lists(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


@pytest.mark.parametrize("model", OURS, ids=lambda model: str(model._meta.label))
def test_a_model_of_ours_can_be_looked_for_and_narrowed_down(model: type[Model]) -> None:
    assert admin.site.is_registered(model), "register it in server/admin, or say in this test why not"
    chosen = admin.site._registry[model]
    assert chosen.search_fields, "operators look for a row by a word"
    assert len(chosen.list_display) > 1, "one column tells too little"
    assert chosen.list_display[0] != "__str__" or len(chosen.list_display) > 2


def test_a_list_asks_as_often_for_many_rows_as_for_few(operator: Client) -> None:
    fill()
    few = {model: asked(operator, lists(model)) for model in OURS}
    for _ in range(3):
        fill()
    many = {model: asked(operator, lists(model)) for model in OURS}
    grown = {model._meta.label: (few[model], many[model]) for model in OURS if many[model] > few[model]}
    assert not grown
    assert not {model._meta.label: count for model, count in many.items() if count > AT_MOST}


def asked(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200, address
    return len(queries)


def press(client: Client, row: Model, action: str) -> None:
    response = client.post(lists(type(row)), {"action": action, "_selected_action": [row.pk]})
    assert response.status_code == 302


def test_runs_and_deploys_are_cancelled_by_the_verbs_of_their_pages(operator: Client) -> None:
    run, deploy = make_run(), make_deploy(make_environment())
    press(operator, run, "cancel_runs")
    press(operator, deploy, "cancel_deploys")
    assert Run.objects.get(pk=run.pk).status == Status.CANCELLED
    assert Deploy.objects.get(pk=deploy.pk).status == Status.CANCELLED
    assert Act.objects.filter(verb__startswith="cancel").count() == 2


def test_runners_drain_and_schedules_pause(operator: Client) -> None:
    runner = roster.register("build-7", 4711, Kind.STAGE, [], "")
    nightly = schedules.make(make_project(), "nightly", "30 2 * * *", "UTC", "", {}, "ana (#1)")
    press(operator, runner, "drain")
    press(operator, nightly, "pause")
    assert Runner.objects.get().is_draining
    assert Schedule.objects.get().is_paused
    press(operator, runner, "undrain")
    press(operator, nightly, "resume")
    assert not Runner.objects.get().is_draining
    assert not Schedule.objects.get().is_paused


def test_keys_of_badges_and_calendars_are_taken_away_and_never_shown(operator: Client) -> None:
    person = make_person(project=(project := make_project()))
    badge, calendar = feeds.badge_of(project), feeds.make_calendar(person, project, "ana (#1)")
    for row in (badge, calendar):
        shown = operator.get(reverse(f"admin:feeds_{row._meta.model_name}_change", args=[row.pk])).content.decode()
        assert row.key not in shown
    press(operator, badge, "change_key")
    press(operator, calendar, "revoke")
    assert Badge.objects.get().key != badge.key
    assert Calendar.objects.get().revoked_at is not None


def test_what_cannot_be_done_to_one_is_told_and_done_to_the_others(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = make_deploy(make_environment()), make_deploy(make_environment())
    cancel: Callable[..., Any] = requests.cancel

    def once(deploy: Deploy, actor: str) -> None:
        if deploy.pk == first.pk:
            raise requests.NotDeployable("it is not there any more")
        cancel(deploy, actor)

    monkeypatch.setattr(requests, "cancel", once)
    data = {"action": "cancel_deploys", "_selected_action": [first.pk, second.pk]}
    text = operator.post(lists(Deploy), data, follow=True).content.decode()
    assert "it is not there any more" in text
    assert Deploy.objects.get(pk=second.pk).status == Status.CANCELLED


def test_times_are_written_so_that_nobody_takes_the_month_for_the_day(operator: Client) -> None:
    run = make_run()
    Run.objects.filter(pk=run.pk).update(created_at=datetime(2026, 11, 2, 23, 5, 9, tzinfo=UTC))
    assert "2026-11-02 23:05:09" in operator.get(reverse("admin:runs_run_changelist")).content.decode()


def test_no_plural_is_made_as_django_would_guess_it() -> None:
    assert not [model for model in OURS if re.search("[^aeiou]ys$", str(model._meta.verbose_name_plural))]
