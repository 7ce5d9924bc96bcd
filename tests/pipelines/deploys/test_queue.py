"""An environment's queue: its order, its reasons, and who changes them."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from pipelines.audit.models import Act
from pipelines.deploys import lifecycle, locks, queue, requests, rollbacks, waits
from pipelines.deploys.models import Deploy, DeployKind, Environment, Freeze, Waits
from pipelines.deploys.queue import NoReason
from pipelines.errors import LostRace
from pipelines.outbox.models import Channel, Message, Notice
from pipelines.states.models import Transition
from pipelines.states.status import Status
from tests.factories import (
    OWNER,
    begin_deploy,
    finish_deploy,
    make_deploy,
    make_environment,
    make_live,
    make_project,
    make_release,
)
from tests.rivals import race

pytestmark = pytest.mark.django_db

ADA = "ada (#1)"


def _order(environment: Environment) -> list[int]:
    return [place.deploy.release.number for place in queue.places(environment)]


def _asked(environment: Environment, count: int) -> list[Deploy]:
    """Deploys that people asked for, queued."""
    return [make_deploy(environment, make_release(environment.project), actor=ADA) for _ in range(count)]


@pytest.fixture
def by_hand() -> Environment:
    return make_environment()


# Order


def test_deploys_are_taken_in_the_order_in_which_they_were_asked_for(by_hand: Environment) -> None:
    one, two, three = _asked(by_hand, 3)
    assert _order(by_hand) == [1, 2, 3]
    for later in (two, three):
        with pytest.raises(LostRace, match="goes first"):
            lifecycle.claim_deploy(later.pk, OWNER)
    finish_deploy(one)
    finish_deploy(two)


def test_a_hot_fix_goes_first_with_a_reason_and_a_rollback_before_it(by_hand: Environment) -> None:
    good = make_live(by_hand).release
    make_live(by_hand)
    one, two, three = _asked(by_hand, 3)
    queue.first(two, ADA, "customers cannot pay")
    assert _order(by_hand) == [4, 3, 5]
    queue.first(three, ADA, "this even more")
    assert _order(by_hand) == [5, 4, 3]
    rollbacks.roll_back(by_hand, good, ADA)
    assert _order(by_hand) == [1, 5, 4, 3]
    act = Act.objects.filter(verb="put first").first()
    assert act is not None
    assert (act.actor, act.subject, act.reason) == (ADA, str(two), "customers cannot pay")
    with pytest.raises(NoReason):
        queue.first(one, ADA, "")


def test_a_rollback_or_a_follow_up_that_is_put_first_keeps_its_place_before_all_others(by_hand: Environment) -> None:
    good = make_live(by_hand).release
    failed = finish_deploy(make_deploy(by_hand), Status.FAILED)
    undo = Deploy.objects.get(undoes=failed)
    back = make_deploy(by_hand, good, kind=DeployKind.ROLLBACK)
    for deploy, priority in ((undo, 20), (back, 10)):
        queue.first(deploy, ADA, "at once")
        deploy.refresh_from_db()
        assert deploy.priority == priority


def test_what_has_begun_or_ended_is_not_put_first(by_hand: Environment) -> None:
    one, two = _asked(by_hand, 2)
    begin_deploy(one)
    requests.cancel(two, ADA)
    for deploy in (one, two):
        with pytest.raises(LostRace, match="does not wait any more"):
            queue.first(deploy, ADA, "now")


def test_the_order_survives_because_it_is_nothing_but_rows(by_hand: Environment) -> None:
    running, *_ = _asked(by_hand, 4)
    begin_deploy(running)
    queue.first(by_hand.deploys.get(release__number=4), ADA, "hot fix")
    before = _order(by_hand)
    for deploy in Deploy.objects.all():  # as another process sees them after a restart
        queue.settle(deploy.environment_id)
    assert _order(by_hand) == before == [1, 4, 2, 3]
    lifecycle.finish_deploy(Deploy.objects.select_related("environment").get(pk=running.pk), Status.ERRORED)
    assert lifecycle.claim_deploy(by_hand.deploys.get(release__number=4).pk, "another worker").resumed is False


def test_what_waits_for_something_is_passed_by_what_may_go(by_hand: Environment) -> None:
    by_hand.approvals = 1
    by_hand.save()
    waiting, free = _asked(by_hand, 2)
    queue.override(free, ADA, "at once")
    queue.settle(by_hand.pk)
    assert finish_deploy(free).status == Status.SUCCEEDED
    waiting.refresh_from_db()
    assert waiting.waits_for == Waits.APPROVAL


# Pause


def test_a_paused_queue_keeps_everything_back_until_it_is_resumed(by_hand: Environment) -> None:
    (deploy,) = _asked(by_hand, 1)
    queue.pause(by_hand, ADA, "we count the stock")
    deploy.refresh_from_db()
    assert (deploy.status, deploy.waits_for) == (Status.BLOCKED, Waits.PAUSED)
    assert deploy.reason == f"the queue was paused by {ADA}: we count the stock"
    queue.resume(by_hand, "bob (#2)", "counted")
    deploy.refresh_from_db()
    assert (deploy.status, deploy.waits_for) == (Status.QUEUED, "")
    paused, resumed = Act.objects.filter(verb__endswith="the queue").order_by("pk")
    assert (paused.actor, paused.reason) == (ADA, "we count the stock")
    assert (resumed.actor, resumed.reason) == ("bob (#2)", "counted")


def test_a_pause_needs_a_reason_and_happens_once(by_hand: Environment) -> None:
    with pytest.raises(NoReason):
        queue.pause(by_hand, ADA, "  ")
    queue.pause(by_hand, ADA, "stock")
    with pytest.raises(LostRace, match="paused already"):
        queue.pause(by_hand, "bob (#2)", "me too")
    queue.resume(by_hand, ADA)
    with pytest.raises(LostRace, match="not paused"):
        queue.resume(by_hand, ADA)


def test_who_ends_somebody_else_s_pause_says_why_and_people_are_told() -> None:
    environment = make_environment(make_project(chat_channel="#shop"))
    queue.pause(environment, ADA, "stock")
    with pytest.raises(NoReason, match=r"ada .* will ask why"):
        queue.resume(environment, "bob (#2)")
    queue.resume(environment, "bob (#2)", "counted")
    assert Message.objects.get().channel == Channel.CHAT
    facts = Notice.objects.get().facts
    assert facts["did"] == f"resumed the queue that {ADA} had paused"
    assert (facts["actor"], facts["because"], facts["why"]) == ("bob (#2)", "stock", "counted")


def test_what_has_begun_goes_on_while_the_queue_is_paused(by_hand: Environment) -> None:
    (deploy,) = _asked(by_hand, 1)
    claimed = begin_deploy(deploy)
    queue.pause(by_hand, ADA, "stock")
    waits.wait(claimed, Waits.BAKE, "bakes", timezone.now())
    queue.settle(by_hand.pk)
    waits.wake()
    assert lifecycle.claim_deploy(deploy.pk, OWNER).resumed


# Settling


def test_settling_leaves_alone_what_has_begun_and_waits_in_its_middle(by_hand: Environment) -> None:
    (deploy,) = _asked(by_hand, 1)
    waits.wait(begin_deploy(deploy), Waits.BREACH, "finish forward or bring back?")
    queue.settle(by_hand.pk)
    deploy.refresh_from_db()
    assert (deploy.status, deploy.waits_for) == (Status.BLOCKED, Waits.BREACH)


def test_settling_leaves_a_question_about_hosts_to_a_person(by_hand: Environment) -> None:
    (deploy,) = _asked(by_hand, 1)
    waits.put_back(begin_deploy(deploy), Waits.HOSTS, "are these all?")
    queue.settle(by_hand.pk)
    deploy.refresh_from_db()
    assert (deploy.status, deploy.waits_for) == (Status.BLOCKED, Waits.HOSTS)


def test_settling_twice_changes_and_writes_nothing(by_hand: Environment) -> None:
    _asked(by_hand, 2)
    locks.take(by_hand, None, ADA, "broken")
    before = Transition.objects.count()
    fence = Environment.objects.get(pk=by_hand.pk).fence
    queue.settle(by_hand.pk)
    queue.settle_all()
    assert Transition.objects.count() == before
    assert Environment.objects.get(pk=by_hand.pk).fence == fence


def test_a_deploy_that_stays_blocked_for_another_reason_says_the_new_one(by_hand: Environment) -> None:
    (deploy,) = _asked(by_hand, 1)
    lock = locks.take(by_hand, None, ADA, "broken")
    Freeze.objects.create(
        name="sale",
        environment=by_hand,
        starts_at=timezone.now() - timedelta(seconds=1),
        ends_at=timezone.now() + timedelta(days=1),
    )
    locks.release(lock, ADA)
    deploy.refresh_from_db()
    assert (deploy.status, deploy.waits_for) == (Status.BLOCKED, Waits.FREEZE)
    assert deploy.reason.endswith("sale")


def test_where_nothing_waits_the_clock_asks_one_question(
    by_hand: Environment, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_live(by_hand)
    with django_assert_num_queries(1):
        queue.settle_all()


def test_what_waits_costs_the_clock_a_few_questions_each(
    by_hand: Environment, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    _asked(by_hand, 3)
    locks.take(by_hand, None, ADA, "broken")
    with django_assert_max_num_queries(5):  # the environments, what waits there, and the locks for each
        queue.settle_all()


def test_a_queue_that_cannot_be_settled_does_not_keep_the_others(
    by_hand: Environment, caplog: pytest.LogCaptureFixture
) -> None:
    other = make_environment()
    Freeze.objects.create(name="odd", environment=by_hand, weekly_from="never", weekly_until="ever")
    _asked(by_hand, 1)
    (fine,) = _asked(other, 1)
    Deploy.objects.filter(pk=fine.pk).update(status=Status.BLOCKED)
    queue.settle_all()
    fine.refresh_from_db()
    assert fine.status == Status.QUEUED
    assert "cannot be settled and will be tried again" in caplog.text


# What a page shows


def test_each_place_says_why_and_when(by_hand: Environment) -> None:
    make_live(by_hand)
    took = timedelta(seconds=100)
    for deploy in by_hand.deploys.all():
        Deploy.objects.filter(pk=deploy.pk).update(finished_at=timezone.now(), started_at=timezone.now() - took)
    running, two, three = _asked(by_hand, 3)
    begin_deploy(running)
    begun, next_, last = queue.places(by_hand)
    assert (begun.position, begun.eta_seconds) == (0, 0.0)
    assert (next_.position, next_.why) == (1, f"after deploy {running.number}")
    assert (last.position, last.why) == (2, f"after deploy {two.number}")
    assert next_.eta_seconds == pytest.approx(100, abs=60)
    assert last.eta_seconds == pytest.approx(200, abs=60)
    assert (next_.deploy, last.deploy) == (two, three)


def test_a_place_behind_a_lock_says_so_and_nobody_knows_when(by_hand: Environment) -> None:
    _asked(by_hand, 1)
    locks.take(by_hand, None, ADA, "broken")
    (place,) = queue.places(by_hand)
    assert (place.why, place.eta_seconds) == (f"locked by {ADA}: broken", None)


def test_a_place_in_a_freeze_knows_when_it_ends(by_hand: Environment) -> None:
    soon = timezone.now() + timedelta(hours=2)
    Freeze.objects.create(
        name="sale", environment=by_hand, starts_at=timezone.now() - timedelta(seconds=1), ends_at=soon
    )
    _asked(by_hand, 1)
    (place,) = queue.places(by_hand)
    assert place.eta_seconds == pytest.approx(7200, abs=60)


def test_behind_one_that_waits_for_a_person_nobody_knows_when(by_hand: Environment) -> None:
    make_live(by_hand)
    begun, _ = _asked(by_hand, 2)
    waits.wait(begin_deploy(begun), Waits.BREACH, "finish forward or bring back?")
    _, second = queue.places(by_hand)
    assert second.eta_seconds is None


# Rivals


@pytest.mark.django_db(transaction=True)
def test_a_lock_and_a_claim_at_the_same_moment_leave_no_deploy_in_between() -> None:
    environment = make_environment()
    for _ in range(5):
        (deploy,) = _asked(environment, 1)

        def lock_or_claim(number: int, deploy: Deploy = deploy) -> object:
            if number == 0:
                return locks.take(Environment.objects.get(pk=environment.pk), None, ADA, "broken")
            if number == 1:
                return lifecycle.claim_deploy(deploy.pk, OWNER)
            queue.settle(environment.pk)
            return "settled"

        lock, claim, settled = race(3, lock_or_claim)
        assert not isinstance(lock, Exception)
        assert settled == "settled"
        deploy.refresh_from_db()
        assert deploy.status == (Status.BLOCKED if isinstance(claim, LostRace) else Status.RUNNING)
        for held in locks.held(environment):
            locks.release(held, ADA)
        if deploy.status == Status.RUNNING:
            lifecycle.finish_deploy(Deploy.objects.select_related("environment").get(pk=deploy.pk), Status.CANCELLED)
        else:
            requests.cancel(deploy, ADA)
