"""A project is added with one form, whose clone URL is tried while it is filled in."""

from pathlib import Path

import pytest
from django.test import Client

from pipelines.audit.models import Act
from pipelines.probes import lifecycle
from pipelines.probes.models import Kind, Probe
from pipelines.projects.models import Project, Role
from runners import probes
from server.web.adding import suggested_name
from tests.factories import make_operator, make_project, unique
from tests.runners.test_repositories import commit

pytestmark = pytest.mark.django_db

ADD, CHECK = "/projects/add/", "/projects/add/check/"
PART = {"X-Part": "1"}


def form(**changed: str) -> dict[str, str]:
    return {
        "clone_url": "https://git.example.org/shop.git",
        "name": unique("shop"),
        "default_branch": "main",
        **changed,
    }


def answer(kind: Kind) -> Probe:
    """As a control worker would."""
    probe = Probe.objects.filter(kind=kind).order_by("pk").last()
    assert probe is not None
    claimed = lifecycle.claim(probe.pk, "control-1")
    lifecycle.answer(claimed, probes.answer(claimed))
    return Probe.objects.get(pk=probe.pk)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("git@github.com:example/Online Shop.git", ""),
        ("git@github.com:example/online_shop.git", "online_shop"),
        ("https://git.example.org/a/Shop.Web", "shopweb"),
        ("/srv/git/shop.git/", "shop"),
        ("nonsense", ""),
    ],
)
def test_a_name_is_suggested_from_the_clone_url(url: str, name: str) -> None:
    assert suggested_name(url) == name


def test_an_operator_adds_a_project_for_a_new_team_and_belongs_to_it() -> None:
    person, client = make_operator(), Client()
    client.force_login(person)
    given = form(team="new", new_team=unique("team"), token="a token of the code host")
    response = client.post(ADD, given)
    assert response["Location"] == f"/projects/{given['name']}/setup/"
    project = Project.objects.get(name=given["name"])
    member = project.members.get()
    assert (member.team.name, member.role) == (given["new_team"], Role.OWNER)
    assert person.groups.filter(pk=member.team_id).exists()
    assert project.code_host_token == given["token"]
    acts = Act.objects.filter(subject=f"project {project}")
    assert [act.verb for act in acts] == ["added"]
    assert "token" not in str(acts[0].facts)
    assert Probe.objects.filter(kind=Kind.REPOSITORY, subject_id=project.pk).exists()


def test_a_repository_over_ssh_begins_with_a_key_and_a_look_at_the_host_s(operator: Client) -> None:
    given = form(clone_url="git@github.com:example/shop.git")
    operator.post(ADD, given)
    project = Project.objects.get(name=given["name"])
    assert project.deploy_key_line.startswith("ssh-ed25519 ")
    assert project.code_host_name == "example/shop"
    assert Probe.objects.get(subject_id=project.pk, kind=Kind.CODE_HOST)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"clone_url": "ftp://git.example.org/shop"}, "cannot be cloned"),
        ({"clone_url": "https://ana:pass@git.example.org/shop"}, "holds a user or password"),
        ({"name": "add"}, "is the address of another page"),
        ({"name": "no name"}, "valid"),
        ({"team": "new"}, "The new team needs a name"),
    ],
)
def test_what_cannot_be_is_said_at_its_field(operator: Client, changed: dict[str, str], said: str) -> None:
    before = Project.objects.count()
    response = operator.post(ADD, form(**changed))
    assert response.status_code == 400
    assert said in response.content.decode()
    assert Project.objects.count() == before


def test_a_name_that_is_taken_and_a_team_that_is_there_are_refused(operator: Client) -> None:
    team = unique("team")
    taken = make_project().name
    assert "already exists" in operator.post(ADD, form(name=taken)).content.decode()
    operator.post(ADD, form(team="new", new_team=team))
    assert "choose it, or name another" in operator.post(ADD, form(team="new", new_team=team)).content.decode()


def test_a_token_that_was_typed_is_not_given_back(operator: Client) -> None:
    response = operator.post(ADD, form(name="no name", token="a token of the code host"))
    assert "a token of the code host" not in response.content.decode()


def test_the_clone_url_is_tried_while_the_form_is_filled_in(operator: Client, tmp_path: Path) -> None:
    url = str(commit(tmp_path / "shop", {"README": "hello"}, branch="trunk"))
    asking = operator.post(
        CHECK, {"clone_url": url, "name": "", "default_branch": "main"}, headers=PART
    ).content.decode()
    assert "asking" in asking
    probe = answer(Kind.CLONE_URL)
    part = operator.get(f"/projects/add/reached/{probe.pk}/", {"name": "", "default_branch": "main"}).content.decode()
    assert "reached" in part
    assert 'value="shop"' in part
    assert 'value="trunk"' in part
    kept = operator.get(
        f"/projects/add/reached/{probe.pk}/", {"name": "mine", "default_branch": "next"}
    ).content.decode()
    assert 'id="id_name"' not in kept
    assert 'id="id_default_branch"' not in kept


def test_what_is_no_clone_url_is_not_asked_for_and_said(operator: Client) -> None:
    part = operator.post(CHECK, {"clone_url": "ftp://git.example.org/shop"}, headers=PART).content.decode()
    assert "cannot be used" in part
    assert not Probe.objects.exists()


def test_without_script_the_whole_form_comes_back_with_what_was_typed(operator: Client, tmp_path: Path) -> None:
    url = str(commit(tmp_path / "shop", {"README": "hello"}))
    location = operator.post(CHECK, {"clone_url": url, "default_branch": "main", "token": "secret token"})["Location"]
    assert "secret" not in location
    answer(Kind.CLONE_URL)
    page = operator.get(location).content.decode()
    assert f'value="{url}"' in page
    assert 'value="shop"' in page
    assert "reached" in page
