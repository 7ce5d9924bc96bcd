"""Tokens on their pages: shown once, bounded, revoked, and told in the audit."""

import hashlib
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from pipelines.audit.models import Act
from pipelines.people import tokens
from pipelines.people.models import Token
from pipelines.projects.models import Project, Role
from tests.factories import make_operator, make_person, make_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(project: Project) -> User:
    return make_person("ada", project=project, role=Role.DEVELOPER)


@pytest.fixture
def client(ada: User) -> Client:
    client = Client(REMOTE_ADDR="203.0.113.7")
    client.force_login(ada)
    return client


def test_the_text_of_a_new_token_is_shown_once_and_kept_nowhere(client: Client, ada: User) -> None:
    answer = client.post("/account/tokens/", {"name": "laptop", "scope": ["run"], "days": "30", "project": ""})
    text = answer.context["text"]
    assert text in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    again = client.get("/account/tokens/").content.decode()
    assert text not in again
    assert text[:10] in again
    token = Token.objects.get()
    assert token.digest == hashlib.sha256(text.encode()).hexdigest()
    assert (token.person, token.scopes, token.project) == (ada, ["read", "run"], None)
    assert token.expires_at is not None
    assert timedelta(days=29) < token.expires_at - timezone.now() < timedelta(days=31)
    act = Act.objects.get(verb="made")
    assert act.facts["address"] == "203.0.113.7"
    assert text not in str(act.facts)


def test_a_token_is_bound_to_one_project_that_its_person_sees(client: Client, project: Project) -> None:
    foreign = make_project("foreign")
    refused = client.post("/account/tokens/", {"name": "x", "days": "30", "project": foreign.name})
    assert refused.status_code == 400
    client.post("/account/tokens/", {"name": "x", "days": "30", "project": project.name})
    assert Token.objects.get().project == project


@pytest.mark.parametrize(
    "form", [{"name": "", "days": "30"}, {"name": "x" * 61, "days": "30"}, {"name": "x", "days": "9"}]
)
def test_what_makes_no_token_is_said_and_nothing_is_made(client: Client, form: dict[str, str]) -> None:
    assert client.post("/account/tokens/", form).status_code == 400
    assert not Token.objects.exists()


def test_a_person_sees_and_revokes_their_own_alone(client: Client, ada: User) -> None:
    mine = tokens.personal(ada, "mine", [], None, project=None, by="ada")[0]
    theirs = tokens.personal(make_person(), "not-yours", [], None, project=None, by="bob")[0]
    page = client.get("/account/tokens/").content.decode()
    assert "not-yours" not in page
    assert client.post(f"/account/tokens/{theirs.pk}/revoke/").status_code == 404
    client.post(f"/account/tokens/{mine.pk}/revoke/")
    assert list(tokens.good()) == [theirs]
    assert Act.objects.get(verb="revoked").facts["address"] == "203.0.113.7"
    assert "revoked" in client.get("/account/tokens/").content.decode()


def test_an_expired_token_is_listed_as_one(client: Client, ada: User) -> None:
    tokens.personal(ada, "old", [], timezone.now() - timedelta(days=1), project=None, by="ada")
    page = client.get("/account/tokens/").content.decode()
    assert "expired" in page
    assert "Revoke old" not in page


def test_its_first_use_stands_in_the_audit_and_no_other_one(ada: User) -> None:
    _, text = tokens.personal(ada, "laptop", [], None, project=None, by="ada")
    for _ in range(3):
        assert tokens.bearer_of(text, address="198.51.100.4")
    act = Act.objects.get(verb="first used")
    assert act.facts["address"] == "198.51.100.4"
    assert act.actor == f"ada (#{ada.pk})"


def test_owners_make_tokens_for_the_programs_of_a_project(owner: Client, project: Project) -> None:
    path = f"/projects/{project.name}/tokens/"
    answer = owner.post(path, {"name": "release", "role": "maintainer", "scope": ["deploy"], "days": ""})
    token = Token.objects.get()
    assert (token.person, token.project, token.role, token.expires_at) == (None, project, "maintainer", None)
    assert tokens.bearer_of(answer.context["text"])
    assert owner.post(path, {"name": "release", "role": "king", "days": ""}).status_code == 400
    owner.post(f"{path}{token.pk}/revoke/")
    assert not tokens.good().exists()


def test_what_people_bound_to_the_project_is_not_on_its_page(owner: Client, ada: User, project: Project) -> None:
    bound = tokens.personal(ada, "laptop-of-ada", [], None, project=project, by="ada")[0]
    assert "laptop-of-ada" not in owner.get(f"/projects/{project.name}/tokens/").content.decode()
    assert owner.post(f"/projects/{project.name}/tokens/{bound.pk}/revoke/").status_code == 404


def test_a_project_s_token_is_not_revoked_through_another_project(owner: Client, project: Project) -> None:
    foreign = tokens.machine(make_project(), Role.VIEWER, "theirs", [], None, by="bob")[0]
    assert owner.post(f"/projects/{project.name}/tokens/{foreign.pk}/revoke/").status_code == 404


def test_a_token_s_name_is_text(client: Client) -> None:
    client.post("/account/tokens/", {"name": "<b>bold</b>", "days": "30"})
    assert "<b>bold</b>" not in client.get("/account/tokens/").content.decode()


def test_an_operator_revokes_anybody_s_in_the_admin(ada: User) -> None:
    token = tokens.personal(ada, "laptop", [], None, project=None, by="ada")[0]
    operator = Client()
    operator.force_login(make_operator())
    listed = reverse("admin:people_token_changelist")
    assert token.digest not in operator.get(reverse("admin:people_token_change", args=[token.pk])).content.decode()
    operator.post(listed, {"action": "revoke", "_selected_action": [token.pk]})
    assert not tokens.good().exists()


def test_the_list_asks_as_much_for_many_tokens_as_for_few(
    client: Client, ada: User, project: Project, django_assert_max_num_queries: object
) -> None:
    for number in range(30):
        tokens.personal(ada, f"token {number}", [], None, project=project, by="ada")
    with django_assert_max_num_queries(12):  # type: ignore[operator]
        client.get("/account/tokens/")
