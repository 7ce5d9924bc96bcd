"""Signing in by name and password: what it opens, what it never does, and how often it may go wrong."""

from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from pipelines.audit.models import Act
from tests.factories import make_operator
from tests.server.web.signing.steps import PASSWORD, is_in, person_with_password, sign_in, verbs

pytestmark = pytest.mark.django_db


def test_a_sign_in_stands_in_the_audit_with_its_address_and_so_does_the_sign_out() -> None:
    person, client = person_with_password(), Client(REMOTE_ADDR="203.0.113.7")
    assert sign_in(client)["Location"] == "/"
    assert is_in(client)
    client.post("/sign-out/")
    assert not is_in(client)
    came, went = Act.objects.order_by("pk")
    assert (came.actor, came.verb, went.verb) == (f"ada (#{person.pk})", "signed in", "signed out")
    assert came.facts == {"address": "203.0.113.7", "by": ["password"]}


def test_the_session_of_before_the_sign_in_is_not_the_one_of_after_it() -> None:
    person_with_password()
    client = Client()
    session = client.session
    session["planted"] = True
    session.save()
    planted = session.session_key
    sign_in(client)
    assert client.session.session_key != planted


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example"]
)
def test_a_sign_in_leads_nowhere_but_to_pages_of_this_server(target: str) -> None:
    person_with_password()
    assert sign_in(Client(), next=target)["Location"] == "/"


def test_a_sign_in_leads_to_the_page_that_asked_for_it() -> None:
    person_with_password()
    assert sign_in(Client(), next="/runners/")["Location"] == "/runners/"


def test_a_wrong_password_and_a_wrong_name_are_answered_alike() -> None:
    person_with_password()
    wrong_password, wrong_name = sign_in(Client(), password="no"), sign_in(Client(), name="nobody", password="no")
    assert wrong_password.status_code == wrong_name.status_code == 200
    for answer in (wrong_password, wrong_name):
        assert "That name and password do not belong together. 4 tries left." in answer.content.decode()


def test_a_stolen_session_does_not_guess_the_password_where_it_is_changed() -> None:
    person_with_password()
    client = Client()
    sign_in(client)
    for number in range(5):
        client.post("/account/", {"old_password": f"wrong {number}", "new_password1": "x", "new_password2": "x"})
    new = {"new_password1": "another long one", "new_password2": "another long one"}
    assert client.post("/account/", {"old_password": PASSWORD, **new}).status_code == 429
    assert User.objects.get().check_password(PASSWORD)
    assert is_in(client)


def test_an_account_that_is_switched_off_gets_nobody_in() -> None:
    person = person_with_password()
    person.is_active = False
    person.save()
    assert "do not belong together" in sign_in(Client()).content.decode()


def test_after_five_wrong_tries_the_right_password_opens_nothing_from_there() -> None:
    person_with_password()
    client = Client()
    answers = [sign_in(client, password=f"wrong {number}") for number in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 429]
    assert "Too many tries" in answers[-1].content.decode()
    assert sign_in(client).status_code == 429
    assert not is_in(client)


def test_a_lock_is_of_one_account_and_one_address() -> None:
    person_with_password()
    person_with_password("bob")
    locked = Client(REMOTE_ADDR="203.0.113.7")
    for _ in range(5):
        sign_in(locked, password="wrong")
    assert sign_in(Client(REMOTE_ADDR="203.0.113.8")).status_code == 302
    assert sign_in(locked, name="bob").status_code == 302


def test_a_name_in_capitals_or_another_browser_is_no_way_round_a_lock() -> None:
    person_with_password()
    for number in range(5):
        sign_in(Client(HTTP_USER_AGENT=f"robot {number}"), name="ADA" if number % 2 else "ada", password="wrong")
    assert sign_in(Client(HTTP_USER_AGENT="a fresh one")).status_code == 429


def test_a_made_up_forwarding_header_is_no_way_round_a_lock() -> None:
    person_with_password()
    for number in range(5):
        sign_in(Client(HTTP_X_FORWARDED_FOR=f"198.51.100.{number}"), password="wrong")
    assert sign_in(Client(HTTP_X_FORWARDED_FOR="198.51.100.77")).status_code == 429


def test_behind_our_proxy_people_are_told_apart_by_the_address_that_it_saw(settings: Settings) -> None:
    settings.SLIPWAY_TRUSTED_PROXIES = 1
    person_with_password()
    for _ in range(5):
        sign_in(Client(HTTP_X_FORWARDED_FOR="198.51.100.1"), password="wrong")
    assert sign_in(Client(HTTP_X_FORWARDED_FOR="198.51.100.2")).status_code == 302
    assert Act.objects.get(verb="signed in").facts["address"] == "198.51.100.2"


def test_whoever_tries_one_account_after_the_other_is_locked_too(settings: Settings) -> None:
    settings.AXES_FAILURE_LIMIT = 2
    person_with_password()
    for number in range(20):
        assert sign_in(Client(), name=f"person {number}", password="Summer2026!").status_code == 200
    assert sign_in(Client()).status_code == 429
    assert sign_in(Client(REMOTE_ADDR="203.0.113.9")).status_code == 302


def test_a_lock_ends_by_itself(settings: Settings) -> None:
    person_with_password()
    for _ in range(5):
        sign_in(Client(), password="wrong")
    AccessAttempt.objects.update(attempt_time=timezone.now() - settings.AXES_COOLOFF_TIME - timedelta(seconds=1))
    assert sign_in(Client()).status_code == 302


def test_an_operator_lifts_a_lock_in_the_admin() -> None:
    person_with_password()
    for _ in range(5):
        sign_in(Client(), password="wrong")
    operator = Client()
    operator.force_login(make_operator())
    listed = reverse("admin:axes_accessattempt_changelist")
    assert "ada" in operator.get(listed).content.decode()
    chosen = list(AccessAttempt.objects.values_list("pk", flat=True))
    operator.post(listed, {"action": "lift", "_selected_action": chosen})
    assert sign_in(Client()).status_code == 302
    assert Act.objects.get(verb="lifted a lock").subject == "ada from 127.0.0.1"


def test_refusals_stand_in_the_audit_once_for_the_first_and_once_for_the_lock() -> None:
    person = person_with_password()
    for _ in range(12):
        sign_in(Client(), password="wrong")
    assert verbs() == ["was refused sign-in", "was locked out"]
    assert {act.actor for act in Act.objects.all()} == {f"ada (#{person.pk})"}
    assert AccessAttempt.objects.get().failures_since_start == 5


def test_what_somebody_typed_for_a_name_that_nobody_has_is_not_kept_in_the_audit() -> None:
    sign_in(Client(), name="my-password-in-the-wrong-field", password="x")
    act = Act.objects.get()
    assert act.actor == "somebody unknown"
    assert "my-password" not in f"{act.subject} {act.facts}"


def test_a_robot_with_many_names_fills_neither_table(settings: Settings) -> None:
    settings.AXES_FAILURE_LIMIT = 2
    for number in range(40):
        sign_in(Client(), name=f"name {number}", password="x")
    assert AccessAttempt.objects.count() == 20
    assert Act.objects.count() == 20


def test_passwords_are_not_kept_with_the_tries() -> None:
    sign_in(Client(), password="nearly-right-password")
    attempt = AccessAttempt.objects.get()
    assert "nearly-right" not in attempt.post_data


def test_the_admin_has_no_door_of_its_own() -> None:
    make_operator("olga", password=PASSWORD)
    answer = Client().get("/admin/login/?next=/admin/auth/user/")
    assert answer["Location"] == "/sign-in/?next=/admin/auth/user/"
    posted = Client().post("/admin/login/", {"username": "olga", "password": PASSWORD})
    assert posted["Location"].startswith("/sign-in/")
    operator = Client()
    operator.force_login(make_operator())
    assert operator.get("/admin/password_change/")["Location"] == "/account/"


def test_a_new_password_ends_every_other_session_and_stands_in_the_audit() -> None:
    person_with_password()
    here, elsewhere = Client(), Client()
    sign_in(here)
    sign_in(elsewhere)
    fresh = "an even better horse"
    form = {"old_password": PASSWORD, "new_password1": fresh, "new_password2": fresh}
    assert here.post("/account/", form).status_code == 302
    assert is_in(here)
    assert not is_in(elsewhere)
    assert verbs()[-1] == "changed their password"


def test_other_sessions_are_listed_and_ended() -> None:
    person_with_password()
    here, elsewhere = Client(REMOTE_ADDR="203.0.113.7"), Client(REMOTE_ADDR="203.0.113.8", HTTP_USER_AGENT="Lynx")
    sign_in(elsewhere)
    sign_in(here)
    page = here.get("/account/").content.decode()
    assert "203.0.113.8" in page
    assert "Lynx" in page
    here.post("/account/sessions/end/")
    assert is_in(here)
    assert not is_in(elsewhere)


def test_a_token_opens_no_page() -> None:
    from pipelines.people import tokens

    person = make_operator()
    text = tokens.personal(person, "laptop", [], None, project=None, by="test")[1]
    answer = Client(HTTP_AUTHORIZATION=f"Bearer {text}").get("/account/")
    assert answer["Location"].startswith("/sign-in/")
