"""Security keys, as far as it goes without one: what is stored is made by hand. Real ones: tests/browser."""

import json

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.internal import auth
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from tests.server.web.signing import steps
from tests.server.web.signing.steps import code, confirm, is_in, person_with_password, sign_in

pytestmark = pytest.mark.django_db(transaction=True)
ASKED, ADD = "/sign-in/second-factor/", "/account/two-factor/keys/add/"


@pytest.fixture
def key(ada: User, monkeypatch: pytest.MonkeyPatch) -> Authenticator:
    """A key whose public half nobody reads."""
    monkeypatch.setattr(auth, "get_credentials", lambda _user: [])
    return Authenticator.objects.create(user=ada, type="webauthn", data={"name": "the blue one", "credential": {}})


def test_the_page_asks_the_browser_without_a_script_in_it(ada: User) -> None:
    client = Client()
    sign_in(client)
    confirm(client, ADD)
    page = client.get(ADD)
    asked = json.loads(page.context["options"])["publicKey"]
    assert asked["user"]["name"] == "ada"
    assert len(asked["challenge"]) > 40
    assert "<script>" not in page.content.decode()
    assert client.get(ADD).context["options"] != page.context["options"]  # each time another challenge


@pytest.mark.parametrize("answer", ["", "[]", "no json", "{}", '{"id": "AA", "rawId": "AA", "response": {}}'])
def test_what_is_no_answer_of_a_key_is_refused_and_nobody_is_in(answer: str, key: Authenticator) -> None:
    client = Client()
    assert sign_in(client)["Location"] == ASKED
    assert client.post(ASKED, {"credential": answer}).status_code == 200
    assert not is_in(client)
    setting_up = Client()
    setting_up.force_login(key.user)
    confirm(setting_up, ADD)
    assert setting_up.post(ADD, {"name": "x", "credential": answer}).status_code == 200
    assert Authenticator.objects.count() == 1


def test_a_key_of_nobody_is_not_asked_of_who_has_an_app(ada: User) -> None:
    client = Client()
    sign_in(client)
    steps.set_up_app(client)
    fresh = Client()
    sign_in(fresh)
    assert "security key" not in fresh.get(ASKED).content.decode()
    assert fresh.post(ASKED, {"credential": "{}"}).status_code == 200
    assert fresh.post(ASKED, {"code": code(ada, 1)})["Location"] == "/"


def test_an_app_beside_the_key_opens_as_well(ada: User, key: Authenticator) -> None:
    client = Client()
    client.force_login(ada)
    steps.set_up_app(client)
    fresh = Client()
    sign_in(fresh)
    assert "Use your security key" in fresh.get(ASKED).content.decode()
    assert fresh.post(ASKED, {"code": code(ada, 1)})["Location"] == "/"


def test_the_last_one_of_who_must_have_one_stays(ada: User, key: Authenticator, settings: Settings) -> None:
    settings.SLIPWAY_SECOND_FACTOR = "all"
    client, remove = Client(), f"/account/two-factor/keys/{key.pk}/remove/"
    client.force_login(ada)
    confirm(client, remove)
    assert "the last one stays" in client.get(remove).content.decode()
    assert client.post(remove)["Location"] == "/account/two-factor/"
    assert Authenticator.objects.filter(pk=key.pk).exists()
    steps.set_up_app(client)
    client.post(remove)
    assert not Authenticator.objects.filter(pk=key.pk).exists()


def test_nobody_removes_another_one_s_key(key: Authenticator) -> None:
    client = Client()
    eve = person_with_password("eve")
    client.force_login(eve)
    remove = f"/account/two-factor/keys/{key.pk}/remove/"
    confirm(client, remove)
    assert client.post(remove).status_code == 404


def test_who_must_have_a_second_factor_may_begin_with_a_key(ada: User, settings: Settings) -> None:
    settings.SLIPWAY_SECOND_FACTOR = "all"
    client = Client()
    sign_in(client)
    confirm(client, ADD)
    assert f'href="{ADD}"' in client.get("/account/two-factor/app/").content.decode()
    assert client.get(ADD).status_code == 200
    assert not is_in(client)
