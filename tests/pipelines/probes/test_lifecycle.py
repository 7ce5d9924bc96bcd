"""A probe is asked by a page, claimed by one worker, answered or refused once."""

import pytest
from django.db.models import F
from django.utils import timezone

from pipelines.errors import LostRace, SystemFault, UserError
from pipelines.probes import lifecycle
from pipelines.probes.models import Kind, Probe
from pipelines.states import leases
from pipelines.states.leases import LostLease
from pipelines.states.models import Transition
from pipelines.states.status import Status
from tests.rivals import race

pytestmark = pytest.mark.django_db


def _ask(about: int = 7) -> Probe:
    return lifecycle.ask(Kind.INVENTORY, about, "ada (#1)")


def _lose(probe: Probe) -> None:
    Probe.objects.filter(pk=probe.pk).update(lease_until=leases.until(-1))


def test_a_question_waits_with_who_asked() -> None:
    probe = Probe.objects.get(pk=_ask().pk)
    assert (probe.kind, probe.subject_id, probe.asked_by, probe.status) == ("inventory", 7, "ada (#1)", "queued")
    assert Transition.objects.get(subject_kind="probe", subject_id=probe.pk).actor == "ada (#1)"


def test_a_second_click_asks_nothing_while_there_is_no_answer() -> None:
    first = _ask()
    assert lifecycle.ask(Kind.INVENTORY, 7, "bob (#2)") == first
    assert lifecycle.ask(Kind.HOST_KEYS, 7, "ada (#1)") != first
    lifecycle.answer(lifecycle.claim(first.pk, "worker"), {})
    assert _ask() != first


def test_an_answer_is_kept() -> None:
    probe = lifecycle.claim(_ask().pk, "worker")
    lifecycle.answer(probe, {"hosts": ["web-1"]})
    stored = Probe.objects.get(pk=probe.pk)
    assert (stored.status, stored.answer) == (Status.SUCCEEDED, {"hosts": ["web-1"]})


@pytest.mark.parametrize(
    ("error", "status"),
    [(UserError("no such region"), Status.FAILED), (SystemFault("the network broke"), Status.ERRORED)],
    ids=["theirs", "ours"],
)
def test_a_refusal_says_why_and_whose_fault_it_is(error: UserError | SystemFault, status: Status) -> None:
    probe = lifecycle.claim(_ask().pk, "worker")
    lifecycle.refuse(probe, error)
    stored = Probe.objects.get(pk=probe.pk)
    assert (stored.status, stored.reason) == (status, str(error))


def test_a_probe_is_claimed_once() -> None:
    probe = _ask()
    lifecycle.claim(probe.pk, "worker")
    with pytest.raises(LostRace):
        lifecycle.claim(probe.pk, "rival")


def test_a_probe_whose_worker_died_ends_and_says_so() -> None:
    lost, alive = lifecycle.claim(_ask(7).pk, "worker"), lifecycle.claim(_ask(8).pk, "worker")
    _lose(lost)
    assert lifecycle.abandon_expired() == 1
    assert Probe.objects.get(pk=lost.pk).status == Status.ERRORED
    assert Probe.objects.get(pk=alive.pk).status == Status.RUNNING
    with pytest.raises(LostRace):
        lifecycle.answer(lost, "too late")


def test_a_probe_whose_answer_is_sought_for_long_lives_as_long_as_its_lease_is_renewed() -> None:
    probe = lifecycle.claim(_ask().pk, "worker")
    _lose(probe)
    lifecycle.renew(probe)
    assert lifecycle.abandon_expired() == 0
    lifecycle.answer(probe, 1)
    with pytest.raises(LostLease):
        lifecycle.renew(probe)


def test_a_worker_that_must_end_leaves_the_page_no_time_in_doubt() -> None:
    probe = lifecycle.claim(_ask().pk, "worker")
    lifecycle.let_go(probe)
    assert lifecycle.abandon_expired() == 1
    assert Probe.objects.get(pk=probe.pk).reason == "no answer: its worker died or was stopped; ask again"


def test_an_answered_probe_is_not_abandoned() -> None:
    probe = lifecycle.claim(_ask().pk, "worker")
    lifecycle.answer(probe, 1)
    _lose(probe)
    assert lifecycle.abandon_expired() == 0


@pytest.mark.django_db(transaction=True)
def test_an_answer_that_comes_while_its_probe_is_abandoned_stops_nobody_else() -> None:
    probes = [lifecycle.claim(_ask(number).pk, "worker") for number in range(6)]
    Probe.objects.update(lease_until=leases.until(-1))

    def answer_or_abandon(number: int) -> None:
        if number < 3:
            lifecycle.abandon_expired()
        else:
            lifecycle.answer(probes[number], "here")

    results = race(6, answer_or_abandon)
    assert results[:3] == [None] * 3
    assert all(result is None or isinstance(result, LostRace) for result in results)
    assert not Probe.objects.filter(status=Status.RUNNING).exists()
    assert Probe.objects.filter(finished_at__gte=F("started_at"), finished_at__lte=timezone.now()).count() == 6
