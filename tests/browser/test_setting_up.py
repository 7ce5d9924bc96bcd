"""Somebody sets a project up: one form, a list that turns green while they watch, and the first run."""

import os
from pathlib import Path

from playwright.sync_api import expect

from pipelines.probes import lifecycle
from pipelines.probes.models import Kind, Probe
from pipelines.projects.models import Project
from pipelines.states.status import Status
from runners import probes
from tests.browser.conftest import Visit
from tests.browser.test_pages import look
from tests.browser.visitor import Visitor
from tests.factories import make_operator
from tests.lab.webhooks import Webhook, deliver
from tests.runners.test_repositories import commit

_PICTURES = os.environ.get("SLIPWAY_TEST_PICTURES", "")  # a folder; the pages are painted into it


def test_a_project_is_set_up_from_its_clone_url_to_its_first_run(visitor_of: Visit, tmp_path: Path) -> None:
    files = {"requirements.txt": "pytest\n", "tests/test_it.py": "def test_it(): pass\n"}
    repository = commit(tmp_path / "online-shop", files, branch="trunk")
    visitor = visitor_of(permissions=["clipboard-read", "clipboard-write"])
    visitor.signs_in_as(make_operator())
    visitor.open("/")
    visitor.page.get_by_role("link", name="Add project").first.click()
    _fills_the_form_in(visitor, repository)
    project = Project.objects.get(name="online-shop")
    _sees_the_repository_read(visitor)
    _brings_the_webhook_to_the_code_host(visitor, project)
    _starts_from_what_was_found(visitor, project)


def test_the_pages_of_setting_up_fit_their_windows_and_shut_nobody_out(visitor_of: Visit, tmp_path: Path) -> None:
    visitor = visitor_of(reduced_motion="reduce")
    visitor.signs_in_as(make_operator())
    files = {"package.json": '{"scripts": {"test": "vitest"}}', "Dockerfile": "FROM scratch\n"}
    project = Project(name="shop", clone_url=str(commit(tmp_path / "shop", files)))
    project.save()
    lifecycle.ask(Kind.REPOSITORY, project.pk, "ada (#1)")
    _answer(Kind.REPOSITORY)
    project.secrets.create(name="CODECOV_TOKEN", value="nobody sees this")
    paths = {"add": "/projects/add/", "set-up": "/projects/shop/setup/", "secrets": "/projects/shop/secrets/"}
    paths |= {"search": "/search/?q=shop", "search-logs": "/search/?kind=logs&q=shop"}
    found = [wrong for path in paths.values() for wrong in look(visitor, path)]
    for name, path in paths.items() if _PICTURES else ():
        visitor.open(path)
        visitor.page.screenshot(path=Path(_PICTURES) / f"{name}.png", full_page=True)
    assert not found, "\n".join(found)


def _fills_the_form_in(visitor: Visitor, repository: Path) -> None:
    page = visitor.page
    page.get_by_label("Clone URL").press_sequentially(str(repository))
    expect(page.locator("#reached")).to_contain_text("asking")
    _answer(Kind.CLONE_URL)
    expect(page.locator("#reached")).to_contain_text("reached")
    expect(page.get_by_label("Name", exact=True)).to_have_value("online-shop")
    expect(page.get_by_label("Default branch")).to_have_value("trunk")
    page.get_by_label("Owned by").select_option("a new team, with me in it")
    page.get_by_label("Name of the new team").fill("shopkeepers")
    page.get_by_role("button", name="Add the project").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Set-up of online-shop")


def _sees_the_repository_read(visitor: Visitor) -> None:
    expect(visitor.page.locator("#code")).to_contain_text("reading the repository")
    _answer(Kind.REPOSITORY)
    expect(visitor.page.locator("#code")).to_contain_text("branch trunk at")


def _brings_the_webhook_to_the_code_host(visitor: Visitor, project: Project) -> None:
    page, bring = visitor.page, "navigator.clipboard.readText()"
    page.get_by_role("button", name="Copy URL").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    url: str = page.evaluate(bring)
    page.get_by_role("button", name="Copy secret").click()
    page.wait_for_function(f"async () => await {bring} !== {url!r}")
    secret: str = page.evaluate(bring)
    assert secret == project.webhook_secret
    ping = {"zen": "Keep it logically awesome.", "sender": {"login": "ada", "id": 1}}
    assert deliver(Webhook(url, "another secret"), "ping", ping).status == 401
    expect(page.locator("#delivery")).to_contain_text("Its signature does not match")
    assert deliver(Webhook(url, secret), "ping", ping).status == 202
    expect(page.locator("#delivery")).to_contain_text("it arrives")


def _starts_from_what_was_found(visitor: Visitor, project: Project) -> None:
    page = visitor.page
    expect(page.locator("#starter-text")).to_contain_text("pip install -r requirements.txt")
    page.get_by_role("button", name="Save on this server").click()
    expect(page.locator("#starter")).to_contain_text("kept here")
    page.get_by_role("button", name="Run it once on trunk").click()
    expect(page.locator("#facts")).to_contain_text("queued")
    assert project.runs.get().ref == "refs/heads/trunk"


def _answer(kind: Kind) -> None:
    """As a control worker would."""
    claimed = lifecycle.claim(Probe.objects.filter(kind=kind, status=Status.QUEUED).latest("pk").pk, "control-1")
    lifecycle.answer(claimed, probes.answer(claimed))
