"""A screen is let in by its code, knows itself by its key, and shows nothing once it is revoked."""

from datetime import timedelta

import pytest
from django.utils import timezone

from pipelines.audit.models import Act
from pipelines.screens import lifecycle
from pipelines.screens.lifecycle import BadCode
from pipelines.screens.models import Screen
from tests.factories import make_operator, make_person, make_project

pytestmark = pytest.mark.django_db


def paired(secret: str) -> Screen:
    return lifecycle.pair(make_operator(), "kitchen", lifecycle.code_of(secret), None, by="ada (#1)")


def test_a_browser_shows_the_same_code_each_time_and_each_browser_another() -> None:
    one, other = lifecycle.new_secret(), lifecycle.new_secret()
    assert lifecycle.code_of(one) == lifecycle.code_of(one) != lifecycle.code_of(other)
    assert not set("01IO") & set(lifecycle.code_of(one))


def test_a_browser_whose_code_was_typed_gets_its_key_once() -> None:
    secret = lifecycle.new_secret()
    assert lifecycle.claim(secret) is None
    screen = paired(secret)
    key = lifecycle.claim(secret)
    assert key is not None
    assert lifecycle.screen_of(key) == screen
    assert lifecycle.claim(secret) is None


def test_who_only_read_the_code_gets_nothing() -> None:
    secret = lifecycle.new_secret()
    paired(secret)
    assert lifecycle.claim(lifecycle.code_of(secret)) is None
    assert lifecycle.screen_of(lifecycle.code_of(secret)) is None


def test_neither_secret_nor_code_nor_key_is_kept() -> None:
    secret = lifecycle.new_secret()
    screen = paired(secret)
    assert lifecycle.code_of(secret) not in str(vars(Screen.objects.get(pk=screen.pk)))
    key = lifecycle.claim(secret)
    assert key is not None
    stored = str(vars(Screen.objects.get(pk=screen.pk))) + str(list(Act.objects.values()))
    assert key not in stored
    assert secret not in stored


def test_a_screen_that_does_not_come_in_time_has_to_be_paired_again() -> None:
    secret = lifecycle.new_secret()
    screen = paired(secret)
    late = timezone.now() - timedelta(seconds=lifecycle.EXPECTED_SECONDS + 1)
    Screen.objects.filter(pk=screen.pk).update(paired_at=late)
    assert lifecycle.claim(secret) is None
    assert list(lifecycle.listed()) == []
    paired(secret)
    assert lifecycle.claim(secret) is not None


def test_small_letters_dashes_and_spaces_are_as_good() -> None:
    secret = lifecycle.new_secret()
    code = lifecycle.code_of(secret).lower()
    lifecycle.pair(make_operator(), "kitchen", f" {code[:4]} - {code[4:]}", None, by="ada (#1)")
    assert lifecycle.claim(secret) is not None


@pytest.mark.parametrize("typed", ["", "ABCD", "ABCD234O", "ABCD-2345-6", "ÄBCD2345"])
def test_what_is_no_code_is_refused(typed: str) -> None:
    with pytest.raises(BadCode):
        lifecycle.pair(make_operator(), "kitchen", typed, None, by="ada (#1)")


def test_a_revoked_screen_is_nobody_and_both_acts_are_in_the_audit() -> None:
    secret = lifecycle.new_secret()
    screen = paired(secret)
    key = lifecycle.claim(secret)
    assert key is not None
    lifecycle.revoke(screen, by="ada (#1)")
    lifecycle.revoke(screen, by="ada (#1)")
    assert lifecycle.screen_of(key) is None
    assert list(lifecycle.listed()) == []
    assert list(Act.objects.order_by("pk").values_list("verb", flat=True)) == ["paired", "revoked"]


def test_a_screen_ends_with_its_person() -> None:
    person, secret = make_person(), lifecycle.new_secret()
    lifecycle.pair(person, "kitchen", lifecycle.code_of(secret), [make_project()], by="ada (#1)")
    key = lifecycle.claim(secret)
    assert key is not None
    assert lifecycle.screen_of(key) is not None
    person.is_active = False
    person.save()
    assert lifecycle.screen_of(key) is None
