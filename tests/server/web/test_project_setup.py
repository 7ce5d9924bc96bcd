"""A project's set-up is a list of steps that turns green while somebody goes through it."""

import hashlib
import hmac
import json
from pathlib import Path

import pytest
from django.test import Client

from pipelines.probes import lifecycle
from pipelines.probes.models import Kind, Probe
from pipelines.projects import lifecycle as projects
from pipelines.projects import pipelines
from pipelines.projects.models import Project, Role, SpecSource
from runners import probes
from tests.factories import make_project, unique
from tests.runners.test_repositories import commit
from tests.server.web.conftest import signed_in

pytestmark = pytest.mark.django_db

KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"


def page(client: Client, project: Project, **asked: str) -> str:
    response = client.get(f"/projects/{project}/setup/", asked)
    assert response.status_code == 200
    return response.content.decode()


def answered(project: Project, kind: Kind, value: object = None) -> Probe:
    """As a control worker would, or with `value`."""
    claimed = lifecycle.claim(lifecycle.ask(kind, project.pk, "ada (#1)").pk, "control-1")
    lifecycle.answer(claimed, probes.answer(claimed) if value is None else value)
    return Probe.objects.get(pk=claimed.pk)


def scanned(project: Project, known: str = "new") -> Probe:
    key = {
        "names": "git.example.org",
        "type": "ssh-ed25519",
        "base64": KEY,
        "fingerprint": "SHA256:seen",
        "known": known,
    }
    return answered(project, Kind.CODE_HOST, {"host": "git.example.org", "keys": [key]})


def deliver(project: Project, secret: str | None, event: str = "ping") -> int:
    body = json.dumps({"zen": "Keep it logically awesome.", "sender": {"login": "ada", "id": 1}}).encode()
    headers = {"X-GitHub-Event": event, "X-GitHub-Delivery": unique("delivery")}
    if secret is not None:
        headers["X-Hub-Signature-256"] = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    answer = Client().post(f"/hooks/github/{project}", body, content_type="application/json", headers=headers)
    return answer.status_code


@pytest.fixture
def shop(tmp_path: Path) -> Project:
    files = {"requirements.txt": "pytest\n", "tests/test_it.py": "", "Dockerfile": "FROM scratch\n"}
    return make_project(clone_url=str(commit(tmp_path / "shop", files)))


def test_an_owner_sees_the_webhook_s_address_and_secret(project: Project, owner: Client) -> None:
    shown = page(owner, project)
    assert f"/hooks/github/{project}" in shown
    assert project.webhook_secret in shown
    assert "listening" in shown


def test_a_ping_turns_the_webhook_s_step_green(project: Project, owner: Client) -> None:
    page(owner, project)
    assert deliver(project, project.webhook_secret) == 202
    assert "it arrives" in page(owner, project)


@pytest.mark.parametrize(
    ("secret", "said"), [("another secret", "Its signature does not match"), (None, "no secret is entered")]
)
def test_a_delivery_that_is_refused_says_why(project: Project, owner: Client, secret: str | None, said: str) -> None:
    page(owner, project)
    assert deliver(project, secret) == 401
    assert said in page(owner, project)


def test_a_delivery_that_is_taken_later_makes_good_for_a_refused_one(project: Project, owner: Client) -> None:
    page(owner, project)
    deliver(project, "another secret")
    deliver(project, project.webhook_secret)
    shown = page(owner, project)
    assert "it arrives" in shown
    assert "was not taken" not in shown


def test_refusals_of_a_project_that_nobody_sets_up_are_not_noted(project: Project) -> None:
    deliver(project, "another secret")
    deliver(make_project(), "another secret")
    assert not hasattr(Project.objects.get(pk=project.pk), "refusal")


def test_many_refusals_are_noted_once_in_a_while(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projects, "_NOTED_SECONDS", 600)
    projects.listen(project)
    projects.note_refusal(project.name, "first")
    projects.note_refusal(project.name, "second")
    assert projects.listen(project).why == "first"


def test_what_is_found_in_the_repository_gives_pipelines_to_choose_from(shop: Project, operator: Client) -> None:
    answered(shop, Kind.REPOSITORY)
    shown = page(operator, shop)
    assert "reached" in shown
    assert "pip install -r requirements.txt" in shown
    assert "build: {}" in page(operator, shop, starter="dockerfile")


def test_a_starter_is_saved_on_this_server_and_a_run_takes_it(shop: Project, operator: Client) -> None:
    answered(shop, Kind.REPOSITORY)
    operator.post(f"/projects/{shop}/setup/pipeline/", {"starter": "dockerfile"})
    shop.refresh_from_db()
    assert shop.spec_source == SpecSource.SERVER
    version = pipelines.current(shop)
    assert version is not None
    assert "build: {}" in version.text
    shown = page(operator, shop)
    assert "kept here" in shown
    assert "Run it once on main" in shown


def test_a_pipeline_that_lies_in_the_repository_is_found(tmp_path: Path, operator: Client) -> None:
    spec = {".slipway.yml": "image: debian\nstages: {test: {steps: [make]}}\n"}
    project = make_project(clone_url=str(commit(tmp_path / "shop", spec)))
    answered(project, Kind.REPOSITORY)
    shown = page(operator, project)
    assert "it is there" in shown
    assert "Save on this server" not in shown


def test_the_repository_s_own_default_branch_is_taken_with_one_click(tmp_path: Path, operator: Client) -> None:
    project = make_project(clone_url=str(commit(tmp_path / "shop", {}, branch="trunk")))
    answered(project, Kind.REPOSITORY)
    assert "Take trunk as the default branch" in page(operator, project)
    operator.post(f"/projects/{project}/setup/change/", {"branch": "trunk"})
    project.refresh_from_db()
    assert project.default_branch == "trunk"
    assert not Probe.objects.filter(kind=Kind.REPOSITORY, subject_id=project.pk).latest("pk").is_final


def test_a_host_key_that_was_seen_is_approved_and_the_repository_read(operator: Client) -> None:
    project = make_project(clone_url="git@git.example.org:example/shop.git")
    scan = scanned(project)
    assert "SHA256:seen" in page(operator, project)
    operator.post(f"/projects/{project}/setup/keys/", {"probe": scan.pk, "key": "SHA256:seen"})
    project.refresh_from_db()
    assert project.code_host_keys == f"git.example.org ssh-ed25519 {KEY}\n"
    assert Probe.objects.get(kind=Kind.REPOSITORY, subject_id=project.pk)


def test_a_changed_host_key_is_never_chosen_for_a_person(operator: Client) -> None:
    project = make_project(clone_url="git@git.example.org:example/shop.git")
    scanned(project, known="changed")
    shown = page(operator, project)
    assert "CHANGED" in shown
    assert 'value="SHA256:seen">' in shown


def test_keys_of_an_older_look_are_not_approved(operator: Client) -> None:
    project = make_project(clone_url="git@git.example.org:example/shop.git")
    older = scanned(project)
    scanned(project)
    operator.post(f"/projects/{project}/setup/keys/", {"probe": older.pk, "key": "SHA256:seen"})
    project.refresh_from_db()
    assert project.code_host_keys == ""


def test_a_token_is_kept_and_never_shown(operator: Client) -> None:
    project = make_project(clone_url="https://git.example.org/shop.git")
    operator.post(f"/projects/{project}/setup/change/", {"token": "a token of the code host"})
    project.refresh_from_db()
    assert project.code_host_token == "a token of the code host"
    assert "a token of the code host" not in page(operator, project)


def test_the_project_s_page_leads_owners_to_its_set_up_and_others_not(project: Project, owner: Client) -> None:
    link = f'href="/projects/{project}/setup/"'
    assert link in owner.get(f"/projects/{project}/").content.decode()
    viewer = signed_in(project, Role.VIEWER)
    assert link not in viewer.get(f"/projects/{project}/").content.decode()
