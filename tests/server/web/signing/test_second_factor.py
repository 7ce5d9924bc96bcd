"""The second factor: nobody is in before it is right, and each code is taken once."""

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from pipelines.audit.models import Act
from tests.factories import make_operator
from tests.server.web.signing import steps
from tests.server.web.signing.steps import PASSWORD, code, confirm, is_in, sign_in, verbs

pytestmark = pytest.mark.django_db(transaction=True)
ASKED = "/sign-in/second-factor/"


@pytest.fixture
def recovery(ada: User) -> list[str]:
    """Ada has an app; these are her recovery codes."""
    client = Client()
    sign_in(client)
    codes = steps.set_up_app(client)
    Authenticator.objects.filter(type="totp").update(last_used_at=None)
    return codes


def test_setting_it_up_takes_the_password_once_more_and_a_code_of_the_app(ada: User) -> None:
    client = Client()
    sign_in(client)
    assert client.get("/account/two-factor/app/")["Location"].startswith("/account/confirm/?next=")
    assert confirm(client, "/account/two-factor/app/")["Location"] == "/account/two-factor/app/"
    page = client.get("/account/two-factor/app/")
    assert '<svg class="qr' in page.content.decode()
    assert "no-store" in page["Cache-Control"]
    assert client.post("/account/two-factor/app/", {"code": "000000"}).status_code == 200
    assert not Authenticator.objects.exists()


def test_no_page_of_it_needs_a_style_or_script_in_its_text(recovery: list[str]) -> None:
    client = Client()
    client.force_login(User.objects.get(username="ada"))
    for path in ("/account/", "/account/two-factor/", "/account/confirm/", "/account/tokens/"):
        page = client.get(path).content.decode()
        assert "style=" not in page
        assert "<script>" not in page
        assert "onclick" not in page


def test_its_key_is_encrypted_where_it_is_stored(recovery: list[str]) -> None:
    for row in Authenticator.objects.all():
        stored = row.data.get("secret") or row.data["seed"]
        assert stored.startswith("gAAAA")


def test_the_password_alone_opens_nothing_any_more(ada: User, recovery: list[str]) -> None:
    client = Client()
    assert sign_in(client)["Location"] == ASKED
    assert not is_in(client)
    assert client.post(ASKED, {"code": code(ada, 1)})["Location"] == "/"
    assert is_in(client)
    assert Act.objects.filter(verb="signed in").last().facts["by"] == ["password", "second factor"]  # type: ignore[union-attr]


def test_a_page_that_asked_for_the_sign_in_comes_after_the_code(ada: User, recovery: list[str]) -> None:
    client = Client()
    sign_in(client, next="/runners/")
    assert client.post(ASKED, {"code": code(ada, 1)})["Location"] == "/runners/"


def test_a_code_is_taken_once_also_by_another_process(ada: User, recovery: list[str]) -> None:
    shown = code(ada, 1)
    first, second = Client(), Client()
    sign_in(first)
    sign_in(second)
    assert first.post(ASKED, {"code": shown}).status_code == 302
    cache.clear()  # what one process remembers the other does not know
    assert "not right, or it has been used" in second.post(ASKED, {"code": shown}).content.decode()
    assert not is_in(second)


def test_a_recovery_code_opens_the_account_once(recovery: list[str]) -> None:
    first, second = Client(), Client()
    sign_in(first)
    sign_in(second)
    assert first.post(ASKED, {"code": recovery[0]}).status_code == 302
    assert second.post(ASKED, {"code": recovery[0]}).status_code == 200
    assert "used a recovery code" in verbs()


def test_wrong_codes_lock_like_wrong_passwords(ada: User, recovery: list[str]) -> None:
    client = Client()
    sign_in(client)
    answers = [client.post(ASKED, {"code": "000000"}).status_code for _ in range(5)]
    assert answers[-1] == 429
    assert client.post(ASKED, {"code": code(ada, 1)}).status_code == 429
    assert "was locked out" in verbs()
    assert not is_in(client)


def test_who_came_without_a_password_is_not_asked_for_a_code() -> None:
    assert Client().get(ASKED)["Location"] == "/sign-in/"
    assert Client().post(ASKED, {"code": "123456"})["Location"] == "/sign-in/"


def test_a_form_without_a_code_is_answered(recovery: list[str]) -> None:
    client = Client()
    sign_in(client)
    assert client.post(ASKED, {}).status_code == 200


def test_recovery_codes_are_shown_once(recovery: list[str]) -> None:
    assert len(recovery) == 10
    client = Client()
    sign_in(client)
    client.post(ASKED, {"code": recovery[0]})
    confirm(client, "/account/two-factor/codes/")
    assert "Recovery codes are shown once" in client.get("/account/two-factor/codes/").content.decode()
    fresh = client.post("/account/two-factor/codes/new/", follow=True).context["unused_codes"]
    assert set(fresh).isdisjoint(recovery)
    assert "made new recovery codes" in verbs()


def test_taking_it_away_stands_in_the_audit_and_takes_the_codes_along(recovery: list[str]) -> None:
    client = Client()
    sign_in(client)
    client.post(ASKED, {"code": recovery[0]})
    assert client.post("/account/two-factor/app/remove/")["Location"].startswith("/account/confirm/")
    confirm(client, "/account/two-factor/")
    client.post("/account/two-factor/app/remove/")
    assert not Authenticator.objects.exists()
    assert "removed a second factor" in verbs()


def test_where_it_is_required_people_without_one_get_no_further_than_to_set_it_up(
    ada: User, settings: Settings
) -> None:
    settings.SLIPWAY_SECOND_FACTOR = "all"
    client = Client()
    sign_in(client)
    assert client.get("/")["Location"] == "/account/two-factor/app/"
    assert client.get("/account/")["Location"] == "/account/two-factor/app/"
    assert client.post("/account/tokens/", {"name": "x"}).status_code == 403
    assert client.get("/api/v1/me").status_code == 403
    assert len(steps.set_up_app(client)) == 10
    assert client.get("/").status_code == 200


def test_where_it_is_required_nobody_takes_theirs_away(ada: User, recovery: list[str], settings: Settings) -> None:
    settings.SLIPWAY_SECOND_FACTOR = "all"
    client = Client()
    sign_in(client)
    client.post(ASKED, {"code": recovery[0]})
    confirm(client, "/account/two-factor/")
    assert "it stays" in client.post("/account/two-factor/app/remove/").content.decode()
    assert Authenticator.objects.filter(type="totp").exists()


def test_where_operators_must_have_one_others_need_not(ada: User, settings: Settings) -> None:
    settings.SLIPWAY_SECOND_FACTOR = "operators"
    make_operator("olga", password=PASSWORD)
    person, operator = Client(), Client()
    sign_in(person)
    sign_in(operator, "olga")
    assert person.get("/").status_code == 200
    assert operator.get("/admin/")["Location"] == "/account/two-factor/app/"


def test_an_operator_takes_it_away_and_whoever_is_in_goes_out(recovery: list[str]) -> None:
    client = Client()
    sign_in(client)
    client.post(ASKED, {"code": recovery[0]})
    operator = Client()
    operator.force_login(make_operator())
    rows = list(Authenticator.objects.values_list("pk", flat=True))
    listed = reverse("admin:mfa_authenticator_changelist")
    assert "gAAAA" not in operator.get(reverse("admin:mfa_authenticator_change", args=[rows[0]])).content.decode()
    operator.post(listed, {"action": "delete_selected", "_selected_action": rows, "post": "yes"})
    assert not Authenticator.objects.exists()
    assert not is_in(client)
    assert "deleted" in verbs()
