"""Without JavaScript everything works but what is live."""

import pytest
from playwright.sync_api import expect

from pipelines.deploys.models import Deploy, DeployKind
from pipelines.runs.models import Run
from tests.browser.conftest import Visit
from tests.browser.visitor import Visitor
from tests.factories import (
    make_environment,
    make_live,
    make_operator,
    make_project,
    make_run,
    print_steps,
    start_stage,
)


@pytest.fixture
def visitor(visitor_of: Visit) -> Visitor:
    """Signed in through the form, as `olga`."""
    make_operator("olga", "long enough 1")
    opened = visitor_of(java_script_enabled=False)
    opened.page.goto(opened.url)
    opened.page.get_by_label("Name").fill("olga")
    opened.page.get_by_label("Password").fill("long enough 1")
    opened.page.get_by_role("button", name="Sign in").click()
    expect(opened.page.get_by_role("heading", level=1)).to_be_visible()
    return opened


def test_a_run_is_read_and_cancelled(visitor: Visitor) -> None:
    run = make_run(make_project("shop"))
    print_steps(start_stage(run, "build"), [b"building <b>this</b>\nand that\n"])
    page = visitor.page
    page.goto(f"{visitor.url}/projects/shop/runs/{run.number}/")
    expect(page.locator(".log")).to_contain_text("building <b>this</b>\nand that", use_inner_text=True)
    expect(page.locator("#facts")).to_contain_text("running")
    page.get_by_role("button", name="Cancel run").click()
    expect(page.get_by_role("button", name="Stopping, asked by olga")).to_be_disabled()
    assert Run.objects.get(pk=run.pk).cancel_requested_at is not None


def test_production_is_rolled_back(visitor: Visitor) -> None:
    environment = make_environment(make_project("shop"), "production")
    good, bad = make_live(environment).release, make_live(environment).release
    page = visitor.page
    page.goto(f"{visitor.url}/projects/shop/environments/production/")
    page.get_by_role("button", name=f"Roll back to release {good.number}").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"Back to release {good.number} → production")
    made = Deploy.objects.get(environment=environment, kind=DeployKind.ROLLBACK)
    assert (made.release, made.replaces, made.status) == (good, bad, "queued")
    assert made.asked_by.startswith("olga ")
