"""Signing in with a server that speaks OpenID Connect: its id of a person decides."""

from collections.abc import Iterator
from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from pipelines.audit.models import Act
from pipelines.runs.models import Identity
from server import providers
from tests.factories import make_operator
from tests.lab.identity_server import IdentityServer, identity_server
from tests.server.web.signing.steps import confirm, is_in, person_with_password, sign_in

pytestmark = pytest.mark.django_db
ADA = {"sub": "1815-ada", "preferred_username": "ada <b>", "email": "olga@example.org", "email_verified": True}


@pytest.fixture
def company(settings: Settings) -> Iterator[IdentityServer]:
    with identity_server() as server:
        settings.SLIPWAY_OIDC_URL, settings.SLIPWAY_OIDC_NAME = server.url, "Harbour"
        settings.SOCIALACCOUNT_PROVIDERS = providers.oidc(server.url, "Harbour", server.client_id, server.client_secret)
        yield server


def come(company: IdentityServer, client: Client, **form: str) -> Any:
    company.told = dict(ADA)
    left = client.post("/sign-in/with/oidc/", form)
    assert left["Location"].startswith(f"{company.url}/authorize?")
    return client.get(company.consent(left["Location"]))


def test_its_button_leads_there_under_the_page_s_policy(company: IdentityServer) -> None:
    page = Client().get("/sign-in/")
    assert "Continue with Harbour" in page.content.decode()
    assert f"form-action 'self' {company.url};" in page["Content-Security-Policy"]


def test_nobody_gets_an_account_unless_that_is_wished(company: IdentityServer) -> None:
    operator = make_operator("olga")
    User.objects.filter(pk=operator.pk).update(email="olga@example.org")
    client = Client()
    assert come(company, client)["Location"] == "/sign-in/"
    assert "connect Harbour there" in client.get("/sign-in/").content.decode()
    assert User.objects.count() == 1


def test_where_it_is_wished_whoever_it_lets_in_gets_an_account_without_a_team(
    company: IdentityServer, settings: Settings
) -> None:
    settings.SLIPWAY_OIDC_MAKES_ACCOUNTS = True
    client = Client()
    assert come(company, client)["Location"] == "/"
    person = User.objects.get()
    assert (person.username, person.email, person.is_superuser) == ("ada-b-", "", False)
    assert Act.objects.get(verb="signed in").facts["by"] == ["Harbour"]
    assert set(SocialAccount.objects.get().extra_data) == {"id", "login", "html_url"}
    again = Client()
    come(company, again)
    assert again.get("/account/").context["user"] == person


def test_it_is_connected_on_the_account_s_page_and_says_nothing_of_who_pushes(company: IdentityServer) -> None:
    person, client = person_with_password("grace"), Client()
    sign_in(client, "grace")
    confirm(client, "/account/")
    assert come(company, client, process="connect")["Location"] == "/account/"
    assert SocialAccount.objects.get().user == person
    assert not Identity.objects.exists()
    fresh = Client()
    come(company, fresh)
    assert fresh.get("/account/").context["user"] == person
    client.post("/account/oidc/disconnect/")
    assert not SocialAccount.objects.exists()


def test_a_server_that_does_not_answer_is_no_error_of_ours(company: IdentityServer, settings: Settings) -> None:
    settings.SOCIALACCOUNT_PROVIDERS = providers.oidc("http://127.0.0.1:9", "Harbour", "slipway", "shh")
    client = Client()
    assert client.post("/sign-in/with/oidc/")["Location"] == "/sign-in/"
    assert "Harbour does not answer" in client.get("/sign-in/").content.decode()
    assert not is_in(client)


def test_no_other_server_can_be_named(company: IdentityServer) -> None:
    assert Client().post("/sign-in/with/github/").status_code == 404
    assert Client().post("/sign-in/with/evil/").status_code == 404
