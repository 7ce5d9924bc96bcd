"""An operator at an environment: what they have unfolded and typed stays while the page follows what happens."""

from playwright.sync_api import expect

from pipelines.deploys.models import Lock
from tests.browser.conftest import Visit
from tests.factories import make_deploy, make_environment, make_live, make_operator, make_project


def test_a_half_written_reason_outlives_a_live_update(visitor_of: Visit) -> None:
    environment = make_environment(make_project("shop"))
    make_live(environment)
    visitor = visitor_of(reduced_motion="reduce")
    visitor.signs_in_as(make_operator())
    visitor.open("/projects/shop/environments/production/")
    page = visitor.page
    page.get_by_text("Live", exact=True).wait_for()
    page.get_by_text("Lock…", exact=True).click()
    reason = page.get_by_label("Why? Those whom it stops read it.")
    reason.fill("the printers are")
    waiting = make_deploy(environment)
    expect(page.locator("#queue").get_by_role("link", name=f"deploy {waiting.number}")).to_be_visible()
    expect(reason).to_have_value("the printers are")
    expect(reason).to_be_visible()
    reason.fill("the printers are replaced")
    page.get_by_role("button", name="Lock production").click()
    expect(page.locator("#locks")).to_contain_text("the printers are replaced")
    assert Lock.objects.get().reason == "the printers are replaced"


def test_the_queue_is_ordered_without_any_script(visitor_of: Visit) -> None:
    environment = make_environment(make_project("shop"))
    make_live(environment)
    first, second = make_deploy(environment), make_deploy(environment)
    visitor = visitor_of(java_script_enabled=False)
    visitor.signs_in_as(make_operator())
    visitor.open("/projects/shop/environments/production/")
    page = visitor.page
    page.get_by_text("Go first…").click()
    page.get_by_label("Why does it go first?").fill("a hot fix")
    page.get_by_role("button", name=f"Put deploy {second.number} first").click()
    links = page.locator("#queue").get_by_role("link")
    expect(links).to_have_text([f"deploy {second.number}", f"deploy {first.number}"])
