"""Signing in with GitHub: the numeric id decides, never a mail address or a name."""

from collections.abc import Iterator
from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount, SocialToken
from allauth.socialaccount.providers.github.views import GitHubOAuth2Adapter
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from pipelines.audit.models import Act
from pipelines.runs.models import Identity
from server import providers
from tests.factories import make_operator
from tests.lab.github_door import GitHubDoor, Somebody, github_door
from tests.server.web.signing import steps
from tests.server.web.signing.steps import PASSWORD, confirm, is_in, person_with_password, sign_in, verbs

pytestmark = pytest.mark.django_db
ADA = Somebody(1815, "ada", "ada@example.org", {"shipyard": "active"})


@pytest.fixture
def door(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHubDoor]:
    with github_door() as opened:
        settings.SOCIALACCOUNT_PROVIDERS = providers.github(
            opened.url, opened.client_id, opened.client_secret, ["shipyard"]
        )
        settings.SLIPWAY_GITHUB_API = opened.url
        settings.SLIPWAY_GITHUB_ORGANISATIONS = ["shipyard"]
        paths = {"web_url": "", "api_url": "/api/v3", "access_token_url": "/login/oauth/access_token"}
        paths |= {"authorize_url": "/login/oauth/authorize", "profile_url": "/api/v3/user"}
        for name, path in paths.items():  # allauth reads them once, when it is imported
            monkeypatch.setattr(GitHubOAuth2Adapter, name, opened.url + path)
        yield opened


def come(door: GitHubDoor, somebody: Somebody, client: Client, **form: str) -> Any:
    """All the way: the button, GitHub's page, and back."""
    door.visitor = somebody
    left = client.post("/sign-in/github/", form)
    assert left["Location"].startswith(f"{door.url}/login/oauth/authorize?")
    return client.get(door.consent(left["Location"]))


def test_the_button_is_there_only_where_github_is_set_up(door: GitHubDoor, settings: Settings) -> None:
    page = Client().get("/sign-in/")
    assert "Continue with GitHub" in page.content.decode()
    assert f"form-action 'self' {door.url};" in page["Content-Security-Policy"]
    settings.SOCIALACCOUNT_PROVIDERS = {}
    page = Client().get("/sign-in/")
    assert "GitHub" not in page.content.decode()
    assert "form-action 'self';" in page["Content-Security-Policy"]
    assert Client().post("/sign-in/github/").status_code == 404


def test_a_member_of_the_organisation_gets_an_account_that_sees_nothing_yet(door: GitHubDoor) -> None:
    client = Client()
    assert come(door, ADA, client)["Location"] == "/"
    person = User.objects.get()
    assert (person.username, person.has_usable_password(), person.is_superuser) == ("ada", False, False)
    assert not person.groups.exists()
    assert is_in(client)
    assert Identity.objects.get().code_host_id == 1815
    assert {"got an account", "connected GitHub", "signed in"} <= set(verbs())
    assert Act.objects.get(verb="signed in").facts["by"] == ["GitHub"]


def test_nothing_is_kept_of_what_github_tells_but_number_name_and_page(door: GitHubDoor) -> None:
    come(door, ADA, Client())
    assert set(SocialAccount.objects.get().extra_data) == {"id", "login", "html_url"}
    assert not SocialToken.objects.exists()


def test_strangers_get_nothing(door: GitHubDoor) -> None:
    for somebody in (Somebody(7, "eve"), Somebody(8, "mallory", "", {"shipyard": "pending"})):
        client = Client()
        assert come(door, somebody, client)["Location"] == "/sign-in/"
        assert "is not a member of shipyard" in client.get("/sign-in/").content.decode()
        assert not is_in(client)
    assert not User.objects.exists()


def test_without_organisations_nobody_gets_an_account(door: GitHubDoor, settings: Settings) -> None:
    settings.SLIPWAY_GITHUB_ORGANISATIONS = []
    come(door, ADA, Client())
    assert not User.objects.exists()


def test_the_same_mail_address_or_name_opens_nobody_s_account(door: GitHubDoor) -> None:
    owner = make_operator("ada", password=PASSWORD)
    User.objects.filter(pk=owner.pk).update(email="ada@example.org")
    client = Client()
    come(door, ADA, client)
    fresh = User.objects.exclude(pk=owner.pk).get()
    assert fresh.username == "ada-2"
    assert client.get("/account/").context["user"] == fresh


def test_an_account_that_an_operator_noted_by_its_number_is_opened(door: GitHubDoor) -> None:
    person = person_with_password("ada.l")
    Identity.objects.create(user=person, code_host_id=1815)
    client = Client()
    come(door, Somebody(1815, "renamed"), client)
    assert client.get("/account/").context["user"] == person


def test_an_operator_s_account_is_not_opened_by_such_a_note(door: GitHubDoor) -> None:
    Identity.objects.create(user=make_operator("olga"), code_host_id=1815)
    client = Client()
    come(door, ADA, client)
    assert "sign in to that one" in client.get("/sign-in/").content.decode()
    assert not is_in(client)
    assert User.objects.count() == 1


def test_who_has_left_the_organisation_does_not_get_in_again(door: GitHubDoor) -> None:
    come(door, ADA, Client())
    client = Client()
    come(door, Somebody(1815, "ada"), client)
    assert not is_in(client)


def test_an_account_that_is_switched_off_does_not_get_in(door: GitHubDoor) -> None:
    come(door, ADA, Client())
    User.objects.update(is_active=False)
    client = Client()
    assert come(door, ADA, client)["Location"] == "/sign-in/"
    assert not is_in(client)


def test_github_is_connected_on_the_account_s_page_after_the_password_once_more(door: GitHubDoor) -> None:
    person, client = person_with_password("grace"), Client()
    sign_in(client, "grace")
    assert client.post("/sign-in/github/", {"process": "connect"})["Location"].startswith("/account/confirm/")
    confirm(client, "/account/")
    assert come(door, ADA, client, process="connect")["Location"] == "/account/"
    assert SocialAccount.objects.get().user == person
    assert Identity.objects.get().user == person
    other = Client()
    come(door, Somebody(1815, "ada"), other)  # who has a password needs no organisation
    assert other.get("/account/").context["user"] == person


def test_an_account_at_github_is_connected_with_one_account_here(door: GitHubDoor) -> None:
    come(door, ADA, Client())
    client = Client()
    person_with_password("grace")
    sign_in(client, "grace")
    confirm(client, "/account/")
    come(door, ADA, client, process="connect")
    assert SocialAccount.objects.get().user.username == "ada"


def test_it_is_disconnected_unless_it_is_the_only_way_in(door: GitHubDoor) -> None:
    client = Client()
    come(door, ADA, client)
    client.post("/account/github/disconnect/")
    assert SocialAccount.objects.exists()
    person = User.objects.get()
    person.set_password(PASSWORD)
    person.save()
    client.force_login(person)
    confirm(client, "/account/")
    client.post("/account/github/disconnect/")
    assert not SocialAccount.objects.exists()
    assert verbs()[-1] == "disconnected GitHub"


def test_what_was_disconnected_signs_nobody_in_any_more(door: GitHubDoor) -> None:
    person_with_password("grace")
    client, thief = Client(), Client()
    sign_in(client, "grace")
    confirm(client, "/account/")
    come(door, ADA, client, process="connect")
    client.post("/account/github/disconnect/")
    come(door, ADA, thief)
    assert not is_in(thief)
    assert not SocialAccount.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_second_factor_is_asked_for_after_github_too(door: GitHubDoor) -> None:
    person, client = person_with_password("grace"), Client()
    Identity.objects.create(user=person, code_host_id=1815)
    sign_in(client, "grace")
    steps.set_up_app(client)
    fresh = Client()
    assert come(door, ADA, fresh)["Location"] == "/sign-in/second-factor/"
    assert not is_in(fresh)


def test_an_answer_that_another_browser_was_given_opens_nothing(door: GitHubDoor) -> None:
    door.visitor = ADA
    begun, other = Client(), Client()
    back = door.consent(begun.post("/sign-in/github/")["Location"])
    other.get(back)
    assert not is_in(other)
    assert not User.objects.exists()


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example"])
def test_the_way_back_leads_nowhere_else(target: str, door: GitHubDoor) -> None:
    assert come(door, ADA, Client(), next=target)["Location"] == "/"


def test_no_other_rights_are_asked_for_than_to_see_memberships(door: GitHubDoor) -> None:
    left = Client().post("/sign-in/github/?scope=repo,admin:org&auth_params=login%3Deve")
    assert "scope=read%3Aorg&" in f"{left['Location']}&"
    assert "repo" not in left["Location"]
    assert "eve" not in left["Location"]


def test_somebody_who_said_no_at_github_is_told_so(door: GitHubDoor) -> None:
    client = Client()
    door.visitor = ADA
    back = door.consent(client.post("/sign-in/github/")["Location"])
    state = back.partition("state=")[2]
    assert client.get(f"/sign-in/github/callback/?error=access_denied&state={state}")["Location"] == "/sign-in/"
    assert "was cancelled" in client.get("/sign-in/").content.decode()


def test_github_that_does_not_answer_is_no_error_of_ours(door: GitHubDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client()
    door.visitor = ADA
    back = door.consent(client.post("/sign-in/github/")["Location"])
    monkeypatch.setattr(GitHubOAuth2Adapter, "access_token_url", "http://127.0.0.1:9/nothing")
    assert client.get(back)["Location"] == "/sign-in/"
    assert "did not work" in client.get("/sign-in/").content.decode()
