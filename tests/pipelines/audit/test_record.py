"""The audit: chained by a sealer, and whoever touches a sealed row is named."""

from contextlib import suppress

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from pipelines.audit.models import Act
from pipelines.audit.record import record, seal, verify
from tests.rivals import race

pytestmark = pytest.mark.django_db


@pytest.fixture
def sealed() -> list[Act]:
    for number in range(1, 6):
        record("ada (#1)", "deployed", f"release {number}", reason="because", number=number, flag=None)
    seal()
    return list(Act.objects.order_by("place"))


def test_an_act_keeps_who_what_when_and_why() -> None:
    act = Act.objects.get(pk=record("ada (#1)", "rolled back", "shop production", reason="broken", to_release=41).pk)
    assert (act.actor, act.verb, act.subject, act.reason) == ("ada (#1)", "rolled back", "shop production", "broken")
    assert act.facts == {"to_release": 41}


def test_an_act_about_the_longest_names_is_kept() -> None:
    act = record("a" * 400, "cancelled", "b" * 400, run=1)
    act.full_clean()
    assert (len(act.actor), len(act.subject)) == (150, 150)


def test_new_acts_wait_for_the_sealer_and_then_have_a_place() -> None:
    record("ada (#1)", "deployed", "release 1")
    assert Act.objects.filter(place=None).count() == 1
    assert seal() == 1
    assert seal() == 0
    record("ada (#1)", "deployed", "release 2")
    assert seal() == 1
    assert list(Act.objects.order_by("pk").values_list("place", flat=True)) == [1, 2]
    assert verify() is None


def test_an_untouched_chain_holds(sealed: list[Act]) -> None:
    assert [act.place for act in sealed] == [1, 2, 3, 4, 5]
    assert verify() is None


def test_acts_that_are_not_sealed_yet_do_not_disturb(sealed: list[Act]) -> None:
    record("ada (#1)", "deployed", "release 6")
    assert verify() is None


@pytest.mark.parametrize(
    "change",
    [
        {"actor": "eve (#9)"},
        {"verb": "looked at"},
        {"subject": "release 99"},
        {"reason": ""},
        {"facts": {"number": 4}},
        {"seal": "0" * 64},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_tampered_row_is_named(sealed: list[Act], change: dict[str, object]) -> None:
    Act.objects.filter(pk=sealed[2].pk).update(**change)
    assert "act 3 (" in str(verify())


def test_a_changed_time_is_named(sealed: list[Act]) -> None:
    Act.objects.filter(pk=sealed[2].pk).update(at=sealed[0].at)
    assert "act 3 (" in str(verify())


def test_the_command_tells_whether_the_chain_holds(sealed: list[Act], capsys: pytest.CaptureFixture[str]) -> None:
    call_command("verify_audit")
    assert "holds" in capsys.readouterr().out
    Act.objects.filter(pk=sealed[2].pk).update(actor="eve (#9)")
    with pytest.raises(CommandError, match=r"act 3 \("):
        call_command("verify_audit")


def test_a_removed_row_is_named(sealed: list[Act]) -> None:
    Act.objects.filter(pk=sealed[2].pk).delete()
    assert "act 3 is missing" in str(verify())


def test_the_first_row_cannot_be_removed_unseen(sealed: list[Act]) -> None:
    Act.objects.filter(pk=sealed[0].pk).delete()
    assert "act 1 is missing" in str(verify())


def test_rows_that_changed_places_are_named(sealed: list[Act]) -> None:
    second, third = sealed[1], sealed[2]
    Act.objects.filter(pk=second.pk).update(place=99)
    Act.objects.filter(pk=third.pk).update(place=2)
    Act.objects.filter(pk=second.pk).update(place=3)
    assert "act 2 (" in str(verify())


def test_a_row_slipped_in_with_a_seal_of_its_own_is_named(sealed: list[Act]) -> None:
    forged = record("eve (#9)", "approved", "release 1")
    Act.objects.filter(pk=forged.pk).update(place=6, seal="f" * 64)
    assert "act 6 (" in str(verify())


def test_what_is_rolled_back_leaves_no_gap() -> None:
    record("ada (#1)", "deployed", "release 1")
    with suppress(ZeroDivisionError), transaction.atomic():
        record("ada (#1)", "deployed", "release 2")
        raise ZeroDivisionError
    record("ada (#1)", "deployed", "release 3")
    seal()
    assert verify() is None
    assert Act.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_sealers_and_writers_at_once_never_fork_the_chain() -> None:
    def write_or_seal(number: int) -> None:
        for turn in range(12):
            if number < 3:
                record(f"person {number}", "did", f"thing {turn}")
            else:
                seal()

    assert race(6, write_or_seal) == [None] * 6
    while seal():
        pass
    assert Act.objects.count() == 36
    assert list(Act.objects.order_by("place").values_list("place", flat=True)) == list(range(1, 37))
    assert verify() is None
