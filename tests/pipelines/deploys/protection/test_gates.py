"""What keeps a deploy from beginning, in which order, and who passes what."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from pipelines.audit.models import Act
from pipelines.deploys import lifecycle, locks, queue, releases, requests, rollbacks
from pipelines.deploys.models import Deploy, DeployKind, Environment, Freeze, Release, Waits
from pipelines.deploys.protection import gates
from pipelines.deploys.requests import NotDeployable
from pipelines.deploys.settling import fetch
from pipelines.errors import LostRace, UserError
from pipelines.outbox.models import Message
from pipelines.states.status import Status
from server.access import actor
from tests.factories import (
    OWNER,
    begin_deploy,
    finish_deploy,
    make_deploy,
    make_environment,
    make_live,
    make_person,
    make_project,
    make_release,
)

pytestmark = pytest.mark.django_db

ADA = "ada (#1)"
SATURDAY = datetime(2026, 11, 21, 12, tzinfo=UTC)
HALF_AN_HOUR = 1800


@pytest.fixture
def environment() -> Environment:
    return make_environment()


def _freeze(environment: Environment | None, **fields: Any) -> Freeze:
    """In force now, and until tomorrow."""
    now = timezone.now()
    dates = {"starts_at": now - timedelta(hours=1), "ends_at": now + timedelta(days=1)}
    return Freeze.objects.create(name="the sale", environment=environment, **{**dates, **fields})


def _ask(environment: Environment, **fields: Any) -> Deploy:
    return requests.request(environment, make_release(environment.project), ADA, **fields)


def _waits(deploy: Deploy) -> list[str]:
    return [refusal.waits_for or "" for refusal in gates.refusals(fetch(deploy.pk))]


def _settled(deploy: Deploy) -> Deploy:
    queue.settle(deploy.environment_id)
    deploy.refresh_from_db()
    return deploy


def _before(environment: Environment, seconds: int = HALF_AN_HOUR, **fields: Any) -> Environment:
    """A staging environment that must have run a release for so long first."""
    staging = make_environment(environment.project, "staging", hosts=["stage-1"], **fields)
    environment.after, environment.after_seconds = staging, seconds
    environment.save()
    return staging


def test_nothing_keeps_a_deploy_from_an_environment_without_rules(environment: Environment) -> None:
    assert gates.why_not(_ask(environment)) is None


def test_all_that_keeps_a_deploy_away_is_told_in_one_order(environment: Environment) -> None:
    _before(environment)
    environment.approvals = 1
    environment.save()
    queue.pause(environment, ADA, "we count the stock")
    locks.take(environment, None, "bob (#2)", "broken")
    _freeze(environment)
    deploy = _ask(environment)
    assert _waits(deploy) == [Waits.PAUSED, Waits.LOCK, Waits.FREEZE, Waits.BEFORE, Waits.APPROVAL]
    Release.objects.filter(pk=deploy.release_id).update(quarantined_at=timezone.now(), quarantined_because="bad")
    assert _waits(deploy)[:2] == ["", Waits.PAUSED]


def test_a_worker_never_begins_what_may_not_begin(environment: Environment) -> None:
    deploy = make_deploy(environment)
    _freeze(environment)
    with pytest.raises(LostRace, match="frozen until"):
        lifecycle.claim_deploy(deploy.pk, OWNER)


# Freezes


def test_a_freeze_stops_automatic_deploys_and_people_s_and_says_until_when(environment: Environment) -> None:
    freeze = _freeze(environment)
    automatic, asked = make_deploy(environment, automatic=True), _ask(environment)
    for deploy in (_settled(automatic), asked):
        assert (deploy.status, deploy.waits_for, deploy.waits_until) == (Status.BLOCKED, Waits.FREEZE, freeze.ends_at)
        assert deploy.reason.endswith("UTC: the sale")


def test_a_weekly_freeze_tells_its_end_on_its_own_clocks(environment: Environment) -> None:
    weekend = {"weekly_from": "fri 16:00", "weekly_until": "mon 07:00", "timezone": "Europe/Berlin"}
    _freeze(environment, starts_at=None, ends_at=None, **weekend)
    refusal = gates.why_not(_ask(environment), SATURDAY)
    assert refusal is not None
    assert refusal.reason == "frozen until Mon 2026-11-23 07:00 Europe/Berlin: the sale"
    assert refusal.until == datetime(2026, 11, 23, 6, tzinfo=UTC)
    assert gates.why_not(_ask(environment), SATURDAY + timedelta(days=2)) is None


def test_what_a_freeze_holds_goes_by_itself_when_it_is_over(environment: Environment) -> None:
    freeze = _freeze(environment)
    deploy = _ask(environment)
    Freeze.objects.filter(pk=freeze.pk).update(ends_at=timezone.now())
    assert _settled(deploy).status == Status.QUEUED


def test_a_rollback_passes_freezes_pauses_and_approvals(environment: Environment) -> None:
    good = make_live(environment).release
    make_live(environment)
    environment.approvals = 1
    environment.save()
    _freeze(None)
    queue.pause(environment, ADA, "we count the stock")
    assert rollbacks.roll_back(environment, good, ADA).status == Status.QUEUED


def test_a_repair_waits_for_pauses_freezes_and_locks_and_nothing_else(environment: Environment) -> None:
    live = make_live(environment).release
    environment.approvals = 1
    environment.save()
    repair = make_deploy(environment, live, kind=DeployKind.REPAIR, only=["web-1"])
    assert _waits(repair) == []
    queue.pause(environment, ADA, "we count the stock")
    _freeze(environment)
    locks.take(environment.project, None, ADA, "broken")
    assert _waits(repair) == [Waits.PAUSED, Waits.LOCK, Waits.FREEZE]


def test_what_ends_what_has_begun_passes_all_but_a_quarantine_on_the_way_forward(environment: Environment) -> None:
    make_live(environment)
    failed = finish_deploy(make_deploy(environment), Status.FAILED)
    _freeze(environment)
    locks.take(environment, None, ADA, "broken")
    undone = Deploy.objects.get(undoes=failed)
    assert _settled(undone).status == Status.QUEUED
    following = make_deploy(environment, failed.release, continues=failed, only=["web-2"])
    assert _waits(following) == [""]  # its release is quarantined
    Release.objects.update(quarantined_at=None)
    assert _waits(following) == []


# Overrides


def test_an_override_passes_a_freeze_and_the_audit_names_all_that_it_passed(environment: Environment) -> None:
    _freeze(environment)
    environment.approvals = 1
    environment.save()
    person = make_person("grace")
    deploy = _ask(environment, override="customers cannot pay", person=person)
    assert (deploy.status, deploy.override) == (Status.QUEUED, "customers cannot pay")
    act = Act.objects.get(verb="overrode")
    assert (act.actor, act.subject, act.reason) == (ADA, str(deploy), "customers cannot pay")
    frozen, agreed = act.facts["passed"]
    assert frozen.startswith("frozen until")
    assert agreed == "0 of 1 person have agreed"
    assert finish_deploy(deploy).status == Status.SUCCEEDED


def test_an_override_is_told_to_the_channel() -> None:
    environment = make_environment(make_project(chat_channel="#deploys"))
    _freeze(environment)
    deploy = _ask(environment, override="customers cannot pay", person=make_person())
    told = Message.objects.select_related("transition").get(topic="overridden").transition
    assert told is not None
    assert told.subject_id == deploy.pk


def test_a_deploy_that_waits_already_is_let_pass_with_a_reason_once_it_is_known_who() -> None:
    environment = make_environment(make_project(chat_channel="#deploys"))
    _freeze(environment)
    deploy = _ask(environment)
    with pytest.raises(UserError, match="needs a reason"):
        queue.override(deploy, ADA, " ")
    queue.override(deploy, ADA, "customers cannot pay")
    deploy.refresh_from_db()
    assert (deploy.status, deploy.reason) == (Status.QUEUED, f"overridden by {ADA}: customers cannot pay")
    assert Act.objects.get(verb="overrode").facts["passed"][0].startswith("frozen until")
    assert Message.objects.filter(topic="overridden").count() == 1
    assert _settled(deploy).status == Status.QUEUED


def test_without_an_override_nothing_is_noted_of_one(environment: Environment) -> None:
    _ask(environment)
    assert not Act.objects.filter(verb="overrode").exists()


def test_only_a_person_overrides(environment: Environment) -> None:
    with pytest.raises(NotDeployable, match="only a person"):
        _ask(environment, override="customers cannot pay")


def test_no_override_brings_a_quarantined_release(environment: Environment) -> None:
    deploy = _ask(environment)
    Release.objects.filter(pk=deploy.release_id).update(quarantined_at=timezone.now(), quarantined_because="bad")
    with pytest.raises(UserError, match="is quarantined: lift that first"):
        queue.override(deploy, ADA, "it will do")
    Deploy.objects.filter(pk=deploy.pk).update(override="it will do")
    assert _waits(deploy) == [""]


def test_a_quarantine_is_lifted_by_a_person_with_a_reason(environment: Environment) -> None:
    bad = make_release(environment.project)
    releases.quarantine(bad, "it loses orders")
    with pytest.raises(UserError, match="give a reason"):
        releases.lift(bad, ADA, "")
    releases.lift(bad, ADA, "the database had lost them")
    act = Act.objects.get(verb="lifted the quarantine")
    assert (act.actor, act.reason, act.facts) == (ADA, "the database had lost them", {"because": "it loses orders"})
    assert requests.request(environment, bad, ADA).status == Status.QUEUED
    with pytest.raises(LostRace, match="is not quarantined"):
        releases.lift(bad, ADA, "twice")


# Which refs come here


@pytest.mark.parametrize(
    ("pattern", "ref", "comes"),
    [
        ("refs/tags/v*", "refs/heads/v1.2.3", False),
        ("refs/tags/v*", "refs/heads/x-v1.2.3", False),
        ("refs/tags/v*", "refs/tags/v1.2.3", True),
        ("refs/heads/main", "refs/heads/anything/main", False),
        ("refs/heads/a/foo", "refs/heads/b/foo", False),
        ("refs/heads/a/*", "refs/heads/a/foo", True),
    ],
)
def test_only_the_full_ref_decides_where_a_release_goes_by_rule_and_by_hand(
    pattern: str, ref: str, comes: bool
) -> None:
    environment = make_environment(ref_pattern=pattern, automatic=True)
    kind = {"kind": "tag"} if ref.startswith("refs/tags/") else {}
    release = make_release(environment.project, ref=ref, **kind)
    assert environment.deploys.filter(release=release).exists() is comes
    if not comes:
        with pytest.raises(NotDeployable, match="takes"):
            requests.request(environment, release, actor(make_person()), override="now", person=make_person())


def test_a_promotion_ships_the_bytes_that_were_tested_and_builds_nothing(environment: Environment) -> None:
    staging = _before(environment, seconds=0)
    release = make_live(staging).release
    runs = environment.project.runs.count()
    deploy = requests.request(environment, release, ADA)
    finish_deploy(deploy)
    assert (deploy.release_id, deploy.release.sha) == (release.pk, release.run.sha)
    assert deploy.release.digest == staging.deploys.get().release.digest
    assert environment.project.runs.count() == runs


def test_the_lock_of_an_alarm_leaves_the_way_back_open(environment: Environment) -> None:
    good = make_live(environment).release
    make_live(environment)
    locks.take(environment, None, "", "alarm smoke went off")
    back = rollbacks.roll_back(environment, good, ADA)
    assert (back.status, gates.why_not(fetch(back.pk))) == (Status.QUEUED, None)
    assert _ask(environment).waits_for == Waits.LOCK


def _migrating(environment: Environment) -> Release:
    release = make_release(environment.project)
    release.deploy_spec = {**release.deploy_spec, "migrate": "./migrate"}
    release.save()
    return release


def test_nothing_migrates_while_nobody_knows_how_a_migration_ended(environment: Environment) -> None:
    make_live(environment)
    lost = begin_deploy(make_deploy(environment, _migrating(environment)))
    lifecycle.note_migrating(lost)
    lifecycle.finish_deploy(lost, Status.ERRORED, "web-1 is gone")
    waiting = requests.request(environment, _migrating(environment), ADA)
    assert (waiting.status, waiting.waits_for) == (Status.BLOCKED, Waits.MIGRATION)
    assert f"nobody knows how the migration of deploy {lost.number} ended" in waiting.reason
    queue.override(waiting, ADA, "it took effect: I looked")
    passed = lifecycle.claim_deploy(waiting.pk, OWNER).deploy
    lifecycle.note_migrating(passed)
    lifecycle.note_not_migrated(passed)
    assert gates.why_not(fetch(make_deploy(environment, _migrating(environment)).pk)) is None


@pytest.mark.parametrize("is_known_to_have_failed", [True, False])
def test_a_migration_whose_end_is_known_keeps_nobody(environment: Environment, is_known_to_have_failed: bool) -> None:
    make_live(environment)
    begun = begin_deploy(make_deploy(environment, _migrating(environment)))
    lifecycle.note_migrating(begun)
    if is_known_to_have_failed:
        lifecycle.note_not_migrated(begun)
    else:
        lifecycle.note_migrated(begun)
    lifecycle.finish_deploy(begun, Status.FAILED, "no")
    assert gates.why_not(fetch(make_deploy(environment, _migrating(environment)).pk)) is None
