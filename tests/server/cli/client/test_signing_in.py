"""Signing in, and which project is meant."""

import io
import json
from pathlib import Path

import pytest

from pipelines.people import tokens
from pipelines.people.models import Scope
from pipelines.projects.models import Project, Role
from server.cli.client import connection
from tests.factories import make_person, make_project, make_run
from tests.server.cli.client.conftest import URL, SignIn, Slipway

pytestmark = pytest.mark.django_db


def token_of(project: Project) -> str:
    person = make_person("ada", project, Role.DEVELOPER)
    return tokens.personal(person, "laptop", list(Scope), None, project=None, by="test")[1]


def repository(place: Path, url: str) -> None:
    (place / ".git").mkdir()
    (place / ".git" / "config").write_text(f'[remote "origin"]\n\turl = {url}\n')


def test_a_token_from_standard_input_is_tried_and_kept(
    slipway: Slipway, project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(token_of(project) + "\n"))
    said = slipway("login", URL, "--token-stdin")
    assert said.status == 0, said.err
    assert "as ada (person)" in said.out
    kept = tmp_path / "config" / "slipway" / "credentials.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert project.name in slipway("projects").out
    assert slipway("logout").status == 0
    assert slipway("projects").status == 3


def test_a_token_that_is_none_is_refused_and_not_kept(
    slipway: Slipway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("slip_nothing\n"))
    said = slipway("login", URL, "--token-stdin")
    assert said.status == 3
    assert "not known, has expired or was revoked" in said.err
    assert not (tmp_path / "config" / "slipway").exists()


def test_who_is_not_signed_in_is_told_how(slipway: Slipway) -> None:
    said = slipway("runs")
    assert said.status == 3
    assert "slipway login" in said.err
    assert said.out == ""


def test_a_server_that_is_not_there_is_another_matter_than_a_refusal(
    slipway: Slipway, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in()
    monkeypatch.undo()
    monkeypatch.setenv("SLIPWAY_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("SLIPWAY_TOKEN", "slip_x")
    said = slipway("projects")
    assert said.status == 6
    assert "cannot be reached" in said.err


def test_the_project_is_the_one_that_this_repository_is_of(
    slipway: Slipway, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in()
    monkeypatch.delenv("SLIPWAY_PROJECT")
    Project.objects.update(clone_url="https://code.example.com/team/shop.git")
    other = make_project("other", clone_url="https://code.example.com/team/other.git")
    make_run(Project.objects.exclude(pk=other.pk).get(), title="Add a cart")
    repository(Path(), "git@code.example.com:team/shop.git")
    said = slipway("runs")
    assert said.status == 0, said.err
    assert "Add a cart" in said.out


def test_a_repository_of_two_projects_is_asked_about(
    slipway: Slipway, signed_in: SignIn, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = signed_in()
    monkeypatch.delenv("SLIPWAY_PROJECT")
    Project.objects.update(clone_url="https://code.example.com/team/shop.git")
    second = make_project("second", clone_url="git@code.example.com:team/shop.git")
    second.members.create(team=person.groups.get(), role=Role.VIEWER)
    repository(Path(), "https://code.example.com/team/shop")
    said = slipway("runs")
    assert said.status == 2
    assert "several projects" in said.err
    assert "--project" in said.err


def test_a_project_that_one_does_not_see_is_not_named(
    slipway: Slipway, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in()
    monkeypatch.delenv("SLIPWAY_PROJECT")
    make_project("hidden", clone_url="https://code.example.com/team/hidden.git")
    repository(Path(), "https://code.example.com/team/hidden.git")
    said = slipway("runs")
    assert said.status == 2
    assert "No project" in said.err
    assert "hidden:" not in said.err


def test_without_a_repository_it_is_said_how_to_name_the_project(
    slipway: Slipway, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in()
    monkeypatch.delenv("SLIPWAY_PROJECT")
    said = slipway("runs")
    assert said.status == 2
    assert "SLIPWAY_PROJECT" in said.err


def test_the_page_is_printed_and_only_web_addresses_are_opened(
    slipway: Slipway, signed_in: SignIn, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in()
    make_run(project)
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: not opened.append(url))  # type: ignore[func-returns-value]
    said = slipway("open", 1)
    assert said.out.strip() == opened[0]
    assert opened[0].endswith(f"/projects/{project.name}/runs/1/")
    assert json.loads(slipway("open", "--json").out)["url"].endswith(f"/projects/{project.name}/")
    assert len(opened) == 1
    monkeypatch.setattr("server.cli.client.verbs.open._address", lambda *_: "file:///etc/passwd")
    assert slipway("open").status == 6
    assert len(opened) == 1


def completions(slipway: Slipway, monkeypatch: pytest.MonkeyPatch, words: str) -> list[str]:
    """What the shell is offered for the last of some words."""
    with monkeypatch.context() as shell:
        shell.setenv("_SLIPWAY_COMPLETE", "complete_bash")
        shell.setenv("COMP_WORDS", words)
        shell.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
        said = slipway()
    assert said.status == 0
    return said.out.split()


def test_the_tab_key_knows_commands_projects_and_environments(
    slipway: Slipway, signed_in: SignIn, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in()
    project.environments.create(name="production")
    assert "rollback" in completions(slipway, monkeypatch, "slipway ro")
    assert completions(slipway, monkeypatch, "slipway deploy prod") == ["production"]
    assert completions(slipway, monkeypatch, "slipway runs --project proj") == [project.name]


def test_the_tab_key_offers_nothing_and_says_nothing_when_the_server_is_away(
    slipway: Slipway, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert completions(slipway, monkeypatch, "slipway deploy prod") == []
    monkeypatch.setenv("SLIPWAY_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("SLIPWAY_TOKEN", "slip_x")
    monkeypatch.setattr(connection, "transport", lambda url: None)
    assert completions(slipway, monkeypatch, "slipway deploy prod") == []
