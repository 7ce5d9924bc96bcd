"""A token is no way to another that may more, lasts longer, or outlives it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from pipelines.audit.models import Act
from pipelines.people import tokens
from pipelines.people.models import Scope, Token
from pipelines.projects.models import Project, Role
from server.access import actor
from tests.factories import make_person, make_project
from tests.server.api.stand import bearing, token_of

pytestmark = pytest.mark.django_db

MINE, OF_SHOP = "/api/v1/me/tokens", "/api/v1/projects/shop/tokens"
FAR = "2100-01-01T00:00:00Z"


@pytest.fixture
def session(ada: User) -> Client:
    client = Client()
    client.force_login(ada)
    return client


def post(client: Client, path: str, **body: Any) -> Any:
    return client.post(path, json.dumps({"name": "script", "expires_at": None, **body}), "application/json")


def machine(project: Project, maker: User) -> Client:
    return bearing(tokens.machine(project, Role.OWNER, "a script", list(Scope), None, by=actor(maker))[1])


def lent(ada: User, *scopes: Scope, until: datetime | None = None) -> Client:
    return bearing(tokens.personal(ada, "lent", scopes, until, project=None, by="test")[1])


def test_who_is_signed_in_makes_a_token_and_its_text_is_told_once(session: Client, ada: User) -> None:
    made = post(session, MINE, scopes=["run"], expires_at=FAR, project="shop")
    assert (made.status_code, made["Cache-Control"]) == (201, "no-store")
    told = made.json()
    assert (told["scopes"], told["project"], told["expires_at"]) == (["read", "run"], "shop", FAR)
    assert bearing(told["text"]).get("/api/v1/me").json()["name"] == "ada"
    listed = session.get(MINE).content.decode()
    assert told["text"] not in listed
    assert told["prefix"] in listed
    assert Act.objects.get(verb="made").actor == actor(ada)


def test_no_token_makes_one_for_its_person_not_even_for_everything(ada: User) -> None:
    refused = post(bearing(token_of(ada)), MINE, scopes=["read"])
    assert refused.status_code == 403
    assert "sign in" in refused.json()["detail"]
    assert Token.objects.count() == 1


def test_a_token_sees_and_revokes_itself_alone(ada: User, session: Client) -> None:
    other, _ = tokens.personal(ada, "other", list(Scope), None, project=None, by="test")
    client = bearing(token_of(ada, Scope.READ))
    (mine,) = client.get(MINE).json()["items"]
    assert client.delete(f"{MINE}/{other.pk}").status_code == 404
    assert client.delete(f"{MINE}/{mine['id']}").status_code == 204
    assert client.get(MINE).status_code == 401
    assert [one["id"] for one in session.get(MINE).json()["items"]] == [mine["id"], other.pk]
    assert session.delete(f"{MINE}/{other.pk}").status_code == 204


def test_nobody_sees_or_revokes_another_s_tokens(session: Client) -> None:
    bob, _ = tokens.personal(make_person("bob"), "his", list(Scope), None, project=None, by="test")
    assert session.get(MINE).json()["items"] == []
    assert session.delete(f"{MINE}/{bob.pk}").status_code == 404


def test_a_token_of_a_project_that_one_does_not_see_is_none(session: Client) -> None:
    make_project("foreign")
    assert post(session, MINE, project="foreign").status_code == 422
    assert post(session, MINE, expires_at="2020-01-01T00:00:00Z").status_code == 422


def test_an_owner_makes_a_machine_s_token(session: Client) -> None:
    made = post(session, OF_SHOP, role="developer", scopes=["run"]).json()
    told = bearing(made["text"]).get("/api/v1/me").json()
    assert (told["kind"], told["scopes"], told["project"]) == ("machine", ["read", "run"], "shop")
    assert session.delete(f"{OF_SHOP}/{made['id']}").status_code == 204
    assert bearing(made["text"]).get("/api/v1/me").status_code == 401


def test_made_with_a_token_it_has_no_scope_that_the_other_lacks(ada: User) -> None:
    client = lent(ada, Scope.READ, Scope.ADMINISTER)
    refused = post(client, OF_SHOP, role="owner", scopes=["administer", "deploy"])
    assert refused.status_code == 403
    assert "lacks the scope deploy" in refused.json()["detail"]
    made = post(client, OF_SHOP, role="owner", scopes=["administer"])
    assert made.status_code == 201
    again = bearing(made.json()["text"]).post("/api/v1/projects/shop/runs", "{}", "application/json")
    assert again.status_code == 403


def test_made_with_a_token_it_lasts_no_longer_than_the_other(ada: User) -> None:
    end = timezone.now() + timedelta(days=3)
    client = lent(ada, *Scope, until=end)
    later = (end + timedelta(seconds=1)).isoformat()
    answers = [post(client, OF_SHOP, role="viewer", expires_at=at).status_code for at in (None, later, end.isoformat())]
    assert answers == [403, 403, 201]
    assert Token.objects.get(name="script").expires_at == end.astimezone(UTC)


def test_a_machine_makes_no_token(project: Project, ada: User) -> None:
    refused = post(machine(project, ada), OF_SHOP, role="viewer")
    assert refused.status_code == 403
    assert "takes a person" in refused.json()["detail"]


def test_who_made_a_token_with_a_token_is_known_as_its_maker(project: Project, ada: User) -> None:
    made = post(bearing(token_of(ada)), OF_SHOP, role="owner", scopes=[*Scope])
    client = bearing(made.json()["text"])
    run = client.post("/api/v1/projects/shop/runs", "{}", "application/json").json()
    assert run["asked_by"].endswith(f"(made by #{ada.pk})")


def test_a_token_of_another_project_makes_none_here(ada: User) -> None:
    other = make_project("other")
    text = tokens.personal(ada, "bound", list(Scope), None, project=other, by="test")[1]
    assert post(bearing(text), OF_SHOP, role="viewer").status_code == 404
