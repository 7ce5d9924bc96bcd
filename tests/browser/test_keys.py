"""The keyboard: single keys go places and press buttons, never while somebody types, and can be turned off."""

from playwright.sync_api import Page, expect

from pipelines.projects.models import Role
from pipelines.runs.models import Run
from tests.browser.conftest import Visit
from tests.browser.visitor import Visitor
from tests.factories import make_operator, make_person, make_project, make_red_run, make_run, start_stage
from tests.pipelines.finding.test_finding import say


def test_a_question_mark_lists_the_keys_and_they_lead_through_the_pages(visitor: Visitor) -> None:
    visitor.signs_in_as(make_operator())
    visitor.open("/")
    page = visitor.page
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    assert visitor.barriers() == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
    for keys, path in {"ge": "/environments/", "gq": "/queue/", "gr": "/runners/", "ga": "/audit/", "gp": "/"}.items():
        _press(page, keys)
        page.wait_for_url(f"{visitor.url}{path}")


def test_a_slash_goes_to_the_search_and_letters_typed_there_are_letters(visitor: Visitor) -> None:
    project = make_project("basket")
    visitor.signs_in_as(make_person(project=project, role=Role.VIEWER))
    visitor.open("/queue/")
    page = visitor.page
    page.keyboard.press("/")
    expect(page.locator("#find")).to_be_focused()
    page.keyboard.type("g p?basket")
    expect(page.locator("#find")).to_have_value("g p?basket")
    assert page.url == f"{visitor.url}/queue/"
    page.locator("#find").fill("basket")
    page.keyboard.press("Enter")
    expect(page.locator("#results")).to_contain_text("basket")
    expect(page.get_by_role("link", name="basket", exact=True)).to_be_visible()


def test_keys_that_are_turned_off_do_nothing_and_stay_off(visitor: Visitor) -> None:
    visitor.signs_in_as(make_operator())
    visitor.open("/queue/")
    page = visitor.page
    page.locator("summary.who").click()
    page.get_by_role("button", name="Keyboard").click()
    page.get_by_role("switch", name="Single keys do something").click()
    page.keyboard.press("Escape")
    for path in ("/queue/", "/runners/"):
        visitor.open(path)
        _press(page, "gp?")
        expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
        assert page.url == f"{visitor.url}{path}"


def test_j_and_k_go_from_stage_to_stage_and_r_runs_again_what_failed(visitor_of: Visit) -> None:
    visitor = visitor_of()
    run = make_red_run(make_project("shop"))
    visitor.signs_in_as(make_operator())
    visitor.open(f"/projects/shop/runs/{run.number}/?stage=build")
    page = visitor.page
    page.keyboard.press("j")
    page.wait_for_url("**/?stage=test")
    page.keyboard.press("k")
    page.wait_for_url("**/?stage=build")
    page.keyboard.press("r")
    page.wait_for_url(f"{visitor.url}/projects/shop/runs/{run.number + 1}/")
    assert Run.objects.get(project=run.project, number=run.number + 1).only_failed


def test_what_one_may_not_do_is_not_done_by_a_key(visitor: Visitor) -> None:
    run = make_red_run(make_project("shop"))
    visitor.signs_in_as(make_person(project=run.project, role=Role.VIEWER))
    visitor.open(f"/projects/shop/runs/{run.number}/")
    visitor.page.keyboard.press("r")
    visitor.page.wait_for_timeout(300)
    assert run.project.runs.count() == 1


def test_lines_of_logs_come_by_themselves_and_lead_to_the_line(visitor: Visitor) -> None:
    project = make_project("shop")
    attempt = start_stage(make_run(project))
    say(attempt, b"one\ntwo\nOut of Memory: killed\n")
    visitor.signs_in_as(make_operator())
    visitor.open("/search/")
    page = visitor.page
    page.locator("#q").press_sequentially("out of memory")
    expect(page.locator(".found mark")).to_have_text("Out of Memory")
    page.locator(".found__l a").click()
    page.wait_for_url(f"{visitor.url}/projects/shop/runs/1/?stage=build&attempt=1#L3")
    expect(page.locator(".log__b")).to_contain_text("Out of Memory: killed")


def _press(page: Page, keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)
