"""The wall for weeks: what happens appears by itself, what is old says so, and a screen comes and goes by its code."""

import re

import pytest
from playwright.sync_api import expect

from pipelines.projects.models import Role
from tests.browser import walls
from tests.browser.conftest import Visit
from tests.browser.visitor import Visitor
from tests.browser.web import Web
from tests.factories import join, make_green_run, make_operator, make_person, make_project, make_red_run

_OLD = 60_000  # ms
_OUTAGE = "ERR_CONNECTION_REFUSED|WebSocket|Failed to fetch|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET"


def test_what_breaks_appears_and_a_wall_that_is_cut_off_says_so_until_it_is_back(visitor: Visitor, web: Web) -> None:
    shop = make_project("shop")
    make_green_run(shop)
    visitor.page.clock.install()
    visitor.signs_in_as(make_operator())
    visitor.open("/wall/")
    title, wire = visitor.page.locator("h1"), visitor.page.locator("#wire")
    expect(wire).to_contain_text("Live")
    expect(title).to_have_text("Nothing is broken")
    make_red_run(shop)
    expect(title).to_have_text("1 thing is broken")
    expect(visitor.page).to_have_title(re.compile("1 thing is broken"))
    web.kill()
    expect(wire).to_have_text(re.compile("Lost|Connecting"))
    visitor.page.clock.fast_forward(_OLD)
    expect(wire).to_contain_text("Not live: this is how it stood at")
    expect(visitor.page.locator("body")).to_have_class("old")
    make_red_run(make_project("ledger"))
    web.start()
    visitor.page.clock.fast_forward(_OLD)
    expect(title).to_have_text("2 things are broken")
    expect(wire).to_contain_text("Live, drawn at")
    expect(visitor.page.locator("body")).not_to_have_class("old")
    visitor.expects(_OUTAGE)


def test_a_screen_comes_by_its_code_shows_what_was_chosen_and_goes_when_it_is_revoked(visitor_of: Visit) -> None:
    screen, alice = visitor_of(), visitor_of()
    shop, person = make_project("shop"), make_person("alice")
    join(person, shop, Role.OWNER)
    make_red_run(shop)
    make_red_run(make_project("ledger"))
    screen.open("/wall/")
    code = screen.page.locator(".code").inner_text()
    alice.signs_in_as(person)
    alice.open("/screens/")
    assert alice.barriers() == []
    alice.page.get_by_label("Code on the screen").fill(code)
    alice.page.get_by_label("Where it hangs").fill("kitchen")
    alice.page.get_by_label("these alone").check()
    alice.page.get_by_label("shop", exact=True).check()
    alice.page.get_by_role("button", name="Pair this screen").click()
    expect(screen.page.locator("h1")).to_have_text("1 thing is broken")
    expect(screen.page.locator("#wire")).to_contain_text("Live")
    assert "ledger" not in screen.page.content()
    assert screen.page.url == f"{screen.url}/wall/"
    alice.open("/screens/")
    alice.page.get_by_role("button", name="Revoke kitchen").click()
    screen.page.reload()
    expect(screen.page.locator("h1")).to_have_text("This screen is not paired yet")
    assert "shop" not in screen.page.content()
    screen.expects("WebSocket|4404")


@pytest.mark.parametrize("broken", [1, 7])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_of_it_is_on_the_screen_and_legible(theme: str, broken: int, visitor_of: Visit) -> None:
    operator = walls.build(broken)
    visitor = visitor_of(color_scheme=theme, viewport={"width": 1920, "height": 1080})
    visitor.signs_in_as(operator)
    visitor.open("/wall/")
    expect(visitor.page.locator("#wire")).to_contain_text("Live")
    assert visitor.barriers() == []
    assert visitor.sticks_out() == []
    assert visitor.page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    smallest = visitor.page.evaluate(
        "Math.min(...[...document.querySelectorAll('#main *')].filter(one => one.textContent.trim())"
        ".map(one => parseFloat(getComputedStyle(one).fontSize)))"
    )
    assert smallest >= 26  # of 1080: 12 mm high capitals on a screen of 55 inches
