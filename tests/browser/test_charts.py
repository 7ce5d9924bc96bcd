"""Charts in Chromium: drawn under the strict policy, in both themes, with a table that says the same."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.visitor import Visitor
from tests.factories import make_environment, make_green_run, make_live, make_operator, make_project, make_red_run


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_charts_are_drawn_and_break_no_policy(theme: str, visitor_of: Visit) -> None:
    shop = make_project("shop")
    make_live(make_environment(shop, is_production=True))
    make_green_run(shop)
    make_red_run(shop)
    visitor = visitor_of(color_scheme=theme)
    visitor.signs_in_as(make_operator())
    visitor.open("/projects/shop/trends/")
    expect(visitor.page.locator(".chart__plot canvas")).to_have_count(4)
    visitor.page.get_by_text("The same as a table").nth(1).click()
    expect(visitor.page.get_by_role("cell", name="67 %")).to_be_visible()
    judged(visitor)
    visitor.page.set_viewport_size({"width": 390, "height": 844})
    assert visitor.sticks_out() == []
    visitor.open("/projects/shop/environments/production/delivery/")
    expect(visitor.page.locator(".chart__plot canvas")).to_have_count(3)
    assert visitor.sticks_out() == []
    judged(visitor)


def judged(visitor: Visitor) -> None:
    """The page itself applies no inline style; axe clones what a script has styled, and that counts as one."""
    assert visitor.complaints == []
    assert visitor.barriers() == []
    visitor.expects("inline style|refused inline")
