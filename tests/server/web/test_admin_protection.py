"""What operators set up to keep deploys away, and the rules of an environment: what is wrong is said in words."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from pipelines.audit.models import Act
from pipelines.deploys import requests
from pipelines.deploys.models import Alarm, Deploy, Environment, Freeze, Lock, Waits
from pipelines.spec.installation import CompareSpec, StrategySpec
from pipelines.spec.strategy import strategy_of
from pipelines.states.status import Status
from server.admin import strategies
from tests.factories import make_environment, make_project, make_release
from tests.server.web.test_admin import change, fields

pytestmark = pytest.mark.django_db

BOB = "bob (#9999)"
WEEKEND = {"name": "weekend", "timezone": "Europe/Berlin", "weekly_from": "fri 16:00", "weekly_until": "mon 07:00"}
DATES = ("starts_at_0", "starts_at_1", "ends_at_0", "ends_at_1")


@pytest.fixture
def environment() -> Environment:
    return make_environment()


def _add(client: Client, model: str, **data: Any) -> Any:
    return client.post(reverse(f"admin:deploys_{model}_add"), data)


def _errors(response: Any) -> str:
    assert response.status_code == 200
    return " ".join(str(error) for error in response.context["errors"])


def test_a_freeze_is_added_and_holds_what_waits(operator: Client, environment: Environment) -> None:
    deploy = requests.request(environment, make_release(environment.project), BOB)
    soon, later = timezone.now() - timedelta(hours=1), timezone.now() + timedelta(days=1)
    dates = [text for at in (soon, later) for text in (f"{at:%Y-%m-%d}", f"{at:%H:%M:%S}")]
    sale = {"name": "sale", "timezone": "UTC", **dict(zip(DATES, dates, strict=True))}
    assert _add(operator, "freeze", **sale).status_code == 302
    deploy.refresh_from_db()
    assert deploy.waits_for == Waits.FREEZE
    assert Act.objects.filter(verb="added", subject__contains="sale").exists()
    operator.post(reverse("admin:deploys_freeze_delete", args=[Freeze.objects.get().pk]), {"post": "yes"})
    deploy.refresh_from_db()
    assert deploy.status == Status.QUEUED


def test_freezes_that_are_deleted_together_hold_nothing_any_more(operator: Client, environment: Environment) -> None:
    now = timezone.now()
    sale = {"environment": environment, "starts_at": now - timedelta(hours=1), "ends_at": now + timedelta(days=1)}
    chosen = [Freeze.objects.create(name=name, **sale).pk for name in ("sale", "fair")]
    deploy = requests.request(environment, make_release(environment.project), BOB)
    assert deploy.waits_for == Waits.FREEZE
    listing = reverse("admin:deploys_freeze_changelist")
    operator.post(listing, {"action": "delete_selected", "_selected_action": chosen, "post": "yes"})
    deploy.refresh_from_db()
    assert (Freeze.objects.count(), deploy.status) == (0, Status.QUEUED)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"weekly_from": "fri 4pm"}, "write a day and a time, like fri 16:00"),
        ({"timezone": "Europe/Berln"}, "did you mean Europe/Berlin"),
        ({"weekly_from": "", "weekly_until": ""}, "two moments of a week"),
    ],
)
def test_a_freeze_that_never_comes_is_refused_in_words(operator: Client, given: dict[str, str], words: str) -> None:
    assert words in _errors(_add(operator, "freeze", **WEEKEND | given))
    assert not Freeze.objects.exists()


def test_a_freeze_is_of_one_place(operator: Client, environment: Environment) -> None:
    both = {"project": environment.project_id, "environment": environment.pk}
    assert "environment or a project" in _errors(_add(operator, "freeze", **WEEKEND, **both))


def test_a_lock_of_the_whole_server_is_taken_and_released_and_never_deleted(
    operator: Client, environment: Environment
) -> None:
    assert _add(operator, "lock", level="stop", reason="the network is being rebuilt").status_code == 302
    lock = Lock.objects.get()
    assert (lock.environment, lock.project, lock.person is not None) == (None, None, True)
    assert Act.objects.get(verb="locked").reason == "the network is being rebuilt"
    assert requests.request(environment, make_release(environment.project), BOB).waits_for == Waits.LOCK
    listing = reverse("admin:deploys_lock_changelist")
    Lock.objects.update(taken_by=BOB)
    told = operator.post(listing, {"action": "release", "_selected_action": [lock.pk]}, follow=True)
    assert "will ask why: give a reason" in told.content.decode()
    operator.post(listing, {"action": "release", "_selected_action": [lock.pk], "why": "it is rebuilt"})
    lock.refresh_from_db()
    assert lock.released_at is not None
    assert Deploy.objects.get().status == Status.QUEUED
    for act in ("delete", "change"):
        assert operator.post(reverse(f"admin:deploys_lock_{act}", args=[lock.pk]), {"post": "y"}).status_code == 403


def test_a_lock_that_is_over_before_it_begins_is_refused(operator: Client) -> None:
    past = {"expires_at_0": "2020-01-01", "expires_at_1": "12:00:00"}
    assert "ends in the future" in _errors(_add(operator, "lock", level="stop", reason="moving", **past))


@pytest.mark.parametrize("missing", ["cause", "alert", "action"])
def test_an_alarm_without_cause_alert_or_action_is_refused(
    operator: Client, environment: Environment, missing: str
) -> None:
    alarm = {
        "environment": environment.pk,
        "name": "checkout",
        "cause": "nobody can pay",
        "kind": "url",
        "settings": '{"url": "https://shop.example.org/pay"}',
        "alert": "chat",
        "action": "undo",
    }
    assert _errors(_add(operator, "alarm", **alarm | {missing: ""}))
    assert not Alarm.objects.exists()
    assert "url" in _errors(_add(operator, "alarm", **alarm | {"settings": '{"address": "x"}'}))
    assert _add(operator, "alarm", **alarm).status_code == 302


# The rules of an environment


def _refused(client: Client, row: Environment, **changes: Any) -> str:
    address = reverse("admin:deploys_environment_change", args=[row.pk])
    return _errors(client.post(address, {**fields(client, address), **changes}))


def test_every_rule_of_an_environment_is_on_its_form(operator: Client, environment: Environment) -> None:
    form = operator.get(reverse("admin:deploys_environment_change", args=[environment.pk])).context["adminform"].form
    editable = {field.name for field in Environment._meta.fields if field.editable and field.name != "id"}
    assert editable - set(form.fields) == set()


def test_a_change_of_the_rules_counts_for_what_waits_already(operator: Client, environment: Environment) -> None:
    deploy = requests.request(environment, make_release(environment.project), BOB)
    change(operator, environment, approvals="1")
    deploy.refresh_from_db()
    assert deploy.waits_for == Waits.APPROVAL


def test_environments_do_not_wait_for_each_other_in_a_circle(operator: Client, environment: Environment) -> None:
    staging = make_environment(environment.project, "staging", after=environment)
    other = make_environment(make_project(), "elsewhere")
    assert "after this one itself" in _refused(operator, environment, after=str(staging.pk))
    assert "after this one itself" in _refused(operator, environment, after=str(environment.pk))
    assert "of another project" in _refused(operator, environment, after=str(other.pk))


def test_rules_that_say_only_half_are_refused(operator: Client, environment: Environment) -> None:
    team = Group.objects.create(name="release managers")
    assert "Name the environment" in _refused(operator, environment, after_seconds="600")
    assert "how many of the team" in _refused(operator, environment, approver_team=str(team.pk))
    assert "No mail address: nobody" in _refused(operator, environment, mail_to="a@example.org, nobody")


def test_a_strategy_is_written_in_the_words_of_the_pipeline_file(operator: Client, environment: Environment) -> None:
    change(operator, environment, strategy='{"canary": "10%", "bake": "5m"}')
    assert environment.strategy is not None
    assert StrategySpec.from_json(environment.strategy) == strategy_of({"canary": "10%", "bake": "5m"})
    before = environment.strategy
    change(operator, environment, at_once="3")
    assert environment.strategy == before
    assert "expected" in _refused(operator, environment, strategy='{"wave": 1}')
    change(operator, environment, strategy="")
    assert environment.strategy is None


@pytest.mark.parametrize(
    "spec",
    [
        strategy_of("all_at_once"),
        strategy_of("blue_green"),
        strategy_of("replace"),
        StrategySpec(waves=(1, "25%", "rest"), parallel=3, max_failures="10%", bake_seconds=90),
        StrategySpec(bake_seconds=60, compare=CompareSpec("cat /proc/loadavg", 2.0)),
    ],
    ids=lambda spec: str(spec.kind),
)
def test_a_stored_strategy_is_shown_in_words_that_mean_the_same(spec: StrategySpec) -> None:
    assert strategies.read(strategies.written(spec.to_json())) == spec.to_json()
