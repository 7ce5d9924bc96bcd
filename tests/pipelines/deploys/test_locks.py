"""Locks: who takes them, whom they stop, and how they end."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from pipelines.audit.models import Act
from pipelines.deploys import lifecycle, locks, queue, requests, rollbacks
from pipelines.deploys.locks import BadLock
from pipelines.deploys.models import Deploy, Environment, Lock, LockLevel, Waits
from pipelines.deploys.protection import gates, holds
from pipelines.deploys.reasons import NoReason
from pipelines.errors import LostRace
from pipelines.outbox.models import Channel, Message
from pipelines.states.status import Status
from server.access import actor
from tests.factories import (
    OWNER,
    finish_deploy,
    make_deploy,
    make_environment,
    make_live,
    make_person,
    make_project,
    make_release,
)

pytestmark = pytest.mark.django_db

BROKEN = "the database is being moved"


@pytest.fixture
def environment() -> Environment:
    return make_environment()


@pytest.fixture
def ada() -> User:
    return make_person("ada")


@pytest.fixture
def bob() -> User:
    return make_person("bob")


def _lock(environment: Environment, person: User, level: LockLevel = LockLevel.STOP) -> Lock:
    return locks.take(environment, person, actor(person), BROKEN, level=level)


def _ask(environment: Environment, person: User) -> Deploy:
    return requests.request(environment, make_release(environment.project), actor(person))


def test_a_lock_blocks_what_is_asked_for_and_says_who_and_why(environment: Environment, ada: User, bob: User) -> None:
    _lock(environment, ada)
    deploy = _ask(environment, bob)
    assert (deploy.status, deploy.waits_for, deploy.waits_until) == (Status.BLOCKED, Waits.LOCK, None)
    assert deploy.reason == f"locked by {actor(ada)}: {BROKEN}"


def test_a_lock_blocks_what_waits_in_the_queue_already(environment: Environment, ada: User, bob: User) -> None:
    deploy = _ask(environment, bob)
    _lock(environment, ada)
    deploy.refresh_from_db()
    assert (deploy.status, deploy.waits_for) == (Status.BLOCKED, Waits.LOCK)


def test_a_lock_stops_automatic_deploys_too(environment: Environment, ada: User) -> None:
    environment.automatic = True
    environment.save()
    _lock(environment, ada)
    release = make_release(environment.project)
    deploy = environment.deploys.get(release=release)
    assert (deploy.automatic, deploy.status, deploy.waits_for) == (True, Status.BLOCKED, Waits.LOCK)


def test_what_a_lock_stops_goes_on_by_itself_when_it_is_released(
    environment: Environment, ada: User, bob: User
) -> None:
    lock = _lock(environment, ada)
    deploy = _ask(environment, bob)
    locks.release(lock, actor(bob), "it is moved")
    deploy.refresh_from_db()
    assert (deploy.status, deploy.waits_for, deploy.waits_until) == (Status.QUEUED, "", None)
    assert locks.held(environment) == []


def test_who_has_locked_an_environment_deploys_there_without_unlocking_it(environment: Environment, ada: User) -> None:
    _lock(environment, ada)
    deploy = _ask(environment, ada)
    assert deploy.status == Status.QUEUED
    assert finish_deploy(deploy).status == Status.SUCCEEDED


def test_of_two_locks_the_other_person_s_still_stops(environment: Environment, ada: User, bob: User) -> None:
    _lock(environment, ada)
    other = _lock(environment, bob)
    deploy = _ask(environment, ada)
    assert deploy.reason == f"locked by {actor(bob)}: {BROKEN}"
    locks.release(other, actor(bob))
    deploy.refresh_from_db()
    assert deploy.status == Status.QUEUED


def test_a_warning_stops_what_nobody_asked_for_and_lets_people_pass(
    environment: Environment, ada: User, bob: User
) -> None:
    _lock(environment, ada, LockLevel.WARN)
    automatic = make_deploy(environment, automatic=True)
    assert _ask(environment, bob).status == Status.QUEUED
    queue.settle(environment.pk)
    automatic.refresh_from_db()
    assert (automatic.status, automatic.waits_for) == (Status.BLOCKED, Waits.LOCK)


def test_a_lock_of_a_project_or_of_the_server_holds_for_each_of_its_environments(
    environment: Environment, ada: User, bob: User
) -> None:
    staging, other = make_environment(environment.project, "staging"), make_environment()
    of_project = locks.take(environment.project, ada, actor(ada), BROKEN)
    assert [locks.held(place) for place in (environment, staging, other)] == [[of_project], [of_project], []]
    of_server = locks.take(None, ada, actor(ada), BROKEN)
    assert locks.held(other) == [of_server]
    assert _ask(other, bob).waits_for == Waits.LOCK
    locks.release(of_server, actor(ada))
    assert other.deploys.get().status == Status.QUEUED
    assert [locks.named(lock) for lock in (of_project, of_server)] == [
        f"every environment of {environment.project}",
        "every environment",
    ]


def test_a_lock_that_ends_by_itself_says_until_when(environment: Environment, ada: User, bob: User) -> None:
    until = timezone.now() + timedelta(hours=1)
    lock = locks.take(environment, ada, actor(ada), BROKEN, expires_at=until)
    deploy = _ask(environment, bob)
    assert deploy.waits_until == until
    assert holds.held(environment, until) == []
    Lock.objects.filter(pk=lock.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    queue.settle(environment.pk)
    deploy.refresh_from_db()
    assert deploy.status == Status.QUEUED


def test_with_an_endless_lock_beside_it_nobody_knows_until_when(environment: Environment, ada: User, bob: User) -> None:
    locks.take(environment, ada, actor(ada), BROKEN, expires_at=timezone.now() + timedelta(hours=1))
    _lock(environment, ada)
    assert _ask(environment, bob).waits_until is None


@pytest.mark.parametrize(("reason", "hours", "words"), [("  ", 1, "needs a reason"), (BROKEN, -1, "in the future")])
def test_a_lock_without_a_reason_or_a_future_is_refused(
    environment: Environment, ada: User, reason: str, hours: int, words: str
) -> None:
    with pytest.raises(BadLock, match=words):
        locks.take(environment, ada, actor(ada), reason, expires_at=timezone.now() + timedelta(hours=hours))
    assert not Lock.objects.exists()


def test_locks_and_their_release_are_acts_with_actor_and_reason(environment: Environment, ada: User, bob: User) -> None:
    lock = _lock(environment, ada)
    locks.release(lock, actor(bob), "done")
    taken, released = Act.objects.filter(verb__in=["locked", "unlocked"]).order_by("pk")
    assert (taken.actor, taken.subject, taken.reason) == (actor(ada), str(environment), BROKEN)
    assert (released.actor, released.reason, released.facts["locked_by"]) == (actor(bob), "done", actor(ada))
    lock.refresh_from_db()
    assert (lock.released_by, lock.released_at is not None) == (actor(bob), True)


def test_a_lock_is_released_once(environment: Environment, ada: User) -> None:
    lock = _lock(environment, ada)
    locks.release(lock, actor(ada))
    with pytest.raises(LostRace, match="released already"):
        locks.release(lock, actor(ada))


@pytest.mark.parametrize("scope", ["environment", "project", "server"])
def test_who_releases_a_lock_of_somebody_else_says_why_and_people_are_told(ada: User, bob: User, scope: str) -> None:
    project = make_project(chat_channel="#shop")
    environment = make_environment(project, mail_to="ops@example.org")
    make_environment(project, "staging")
    place = {"environment": environment, "project": project, "server": None}[scope]
    lock = locks.take(place, ada, actor(ada), BROKEN)
    with pytest.raises(NoReason, match=r"ada .* will ask why"):
        locks.release(lock, actor(bob), " ")
    assert locks.held(environment) == [lock]
    locks.release(lock, actor(bob), "it is moved")
    told = Message.objects.order_by("channel")
    assert [message.channel for message in told] == [Channel.CHAT, Channel.MAIL]
    facts = told[0].notice.facts if told[0].notice else {}
    assert (facts["actor"], facts["because"], facts["why"]) == (actor(bob), BROKEN, "it is moved")


def test_a_lock_that_slipway_took_is_not_released_without_a_reason(environment: Environment, bob: User) -> None:
    lock = locks.take(environment, None, "", "an alarm went off")
    with pytest.raises(NoReason, match="everybody will ask why"):
        locks.release(lock, actor(bob))


def test_who_releases_their_own_lock_owes_nobody_a_word(ada: User) -> None:
    environment = make_environment(make_project(chat_channel="#shop"))
    locks.release(_lock(environment, ada), actor(ada))
    assert not Message.objects.exists()


def test_a_rollback_waits_for_a_lock_but_not_for_its_person_s_own(
    environment: Environment, ada: User, bob: User
) -> None:
    good = make_live(environment).release
    make_live(environment)
    _lock(environment, ada)
    back = rollbacks.roll_back(environment, good, actor(bob))
    assert (back.status, back.waits_for) == (Status.BLOCKED, Waits.LOCK)
    requests.cancel(back, actor(bob))
    back = rollbacks.roll_back(environment, good, actor(ada))
    assert back.status == Status.QUEUED


def test_a_rollback_passes_a_lock_with_an_override(environment: Environment, ada: User, bob: User) -> None:
    good = make_live(environment).release
    make_live(environment)
    _lock(environment, ada)
    back = rollbacks.roll_back(environment, good, actor(bob), override="customers cannot pay")
    assert (back.status, back.override) == (Status.QUEUED, "customers cannot pay")
    act = Act.objects.get(verb="overrode")
    assert (act.actor, act.reason) == (actor(bob), "customers cannot pay")
    assert act.facts["passed"] == [f"locked by {actor(ada)}: {BROKEN}"]


def test_the_automatic_way_back_passes_a_lock(environment: Environment, ada: User) -> None:
    make_live(environment)
    failing = make_deploy(environment)
    claimed = Deploy.objects.get(pk=failing.pk)
    finish_deploy(claimed, Status.FAILED)
    _lock(environment, ada)
    undone = Deploy.objects.get(undoes=failing)
    assert gates.why_not(undone) is None
    assert finish_deploy(undone).status == Status.SUCCEEDED


def test_a_worker_that_comes_after_the_lock_does_not_begin(environment: Environment, ada: User, bob: User) -> None:
    deploy = _ask(environment, bob)
    Lock.objects.create(environment=environment, person=ada, taken_by=actor(ada), reason=BROKEN)
    with pytest.raises(LostRace, match="locked by ada"):
        lifecycle.claim_deploy(deploy.pk, OWNER)


def test_a_lock_of_another_project_stops_nothing_here(environment: Environment, ada: User, bob: User) -> None:
    locks.take(make_project(), ada, actor(ada), BROKEN)
    assert _ask(environment, bob).status == Status.QUEUED
