"""Every page, on a phone and on a desk, in both themes: it fits, nothing is refused, and nobody is shut out."""

from typing import Literal

from tests.browser.conftest import Visit
from tests.browser.scenery import build
from tests.browser.visitor import Visitor

WIDTHS = {360: 740, 390: 844, 1440: 900}
LOOKS: tuple[tuple[Literal["light", "dark"], int], ...] = (("light", 390), ("dark", 1440))
GATES = ("/sign-in/", "/setup/long-gone/")
NOWHERE = "/projects/nothing-here/"


def test_every_page_fits_its_window_and_shuts_nobody_out(visitor_of: Visit) -> None:
    visitor = visitor_of(reduced_motion="reduce")  # else a colour is measured on its way from theme to theme
    scenery = build()
    found = [wrong for path in GATES for wrong in _look(visitor, path)]
    visitor.signs_in_as(scenery.operator)
    found += [wrong for path in (*scenery.paths.values(), NOWHERE) for wrong in _look(visitor, path)]
    visitor.expects("status of (404|410)")
    assert not found, "\n".join(found)


def _look(visitor: Visitor, path: str) -> list[str]:
    """What is wrong with a page: at every width, and in both themes (that change no size)."""
    visitor.open(path)
    found = []
    for width, height in WIDTHS.items():
        visitor.page.set_viewport_size({"width": width, "height": height})
        found += [f"{path} at {width} sticks out: {one}" for one in visitor.sticks_out()]
    for theme, width in LOOKS:
        visitor.page.emulate_media(color_scheme=theme)
        visitor.page.set_viewport_size({"width": width, "height": WIDTHS[width]})
        found += [f"{path} in {theme} at {width}: {one}" for one in visitor.barriers()]
    return found
