"""Every page, on a phone and on a desk, in both themes: it fits, nothing is refused, and nobody is shut out."""

from tests.browser import routes
from tests.browser.conftest import Visit
from tests.browser.scenery import build
from tests.browser.visitor import Visitor

PHONE, DESK, WALL = (360, 740), (1280, 800), (3840, 2160)
GATES = ("/sign-in/", "/setup/long-gone/")
NOWHERE = "/projects/nothing-here/"


def test_every_page_fits_its_window_and_shuts_nobody_out(visitor_of: Visit) -> None:
    visitor = visitor_of(reduced_motion="reduce")  # else a colour is measured on its way from theme to theme
    scenery = build()
    found = [wrong for path in GATES for wrong in look(visitor, path)]
    visitor.expects("status of 410")
    visitor.signs_in_as(scenery.operator)
    paths = [*routes.pages(visitor).values(), *scenery.paths.values(), NOWHERE]
    found += [wrong for path in dict.fromkeys(paths) for wrong in look(visitor, path)]
    visitor.expects("status of 404")
    assert not found, "\n".join(found)


def look(visitor: Visitor, path: str) -> list[str]:
    """What is wrong with a page: at every width, and in both themes (that change colours alone)."""
    page = visitor.page
    page.emulate_media(color_scheme="light")
    visitor.open(path)
    found = []
    if (headings := page.locator("h1").count()) != 1:
        found.append(f"{path} has {headings} headings of the first rank")
    for width, height in (WALL, DESK, PHONE):
        page.set_viewport_size({"width": width, "height": height})
        found += [f"{path} at {width} sticks out: {one}" for one in visitor.sticks_out()]
    found += [f"{path} at {PHONE[0]}: {one}" for one in visitor.barriers()]
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": DESK[0], "height": DESK[1]})
    return found + [f"{path} in the dark: {one}" for one in visitor.barriers()]
