"""`make screenshots`: the pictures in docs/screenshots, of a server with a past. No test, but it stands on the same."""

import shutil
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import ViewportSize

from tests.browser import routes
from tests.browser.conftest import Visit
from tests.browser.scenery import build

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
PAGES = ("dashboard", "project", "run", "matrix run", "gated run", "queue", "environment", "deploy", "events", "tests")
# Known by their routes.
ALSO = ("wall", "trends", "search", "project-add", "project-setup", "tokens", "messages", "run-commits", "secrets")
DESK, PHONE = ViewportSize(width=1440, height=900), ViewportSize(width=390, height=844)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_take_pictures(theme: str, visitor_of: Visit) -> None:
    scenery = build()
    visitor = visitor_of(color_scheme=theme, reduced_motion="reduce")
    visitor.signs_in_as(scenery.operator)
    FOLDER.mkdir(exist_ok=True)
    paths = routes.pages(visitor) | scenery.paths
    paths["search"] += "?q=stock"
    paths["dashboard"] += "?all=1"
    for page, window, suffix in (*((page, DESK, "") for page in (*PAGES, *ALSO)), ("run", PHONE, "-390")):
        visitor.page.set_viewport_size(window)
        visitor.open(paths[page])
        if visitor.page.locator("#wire").count():
            visitor.page.locator("#wire", has_text="Live").wait_for(timeout=60_000)
        picture = FOLDER / f"{page.replace(' ', '-')}{suffix}-{theme}.png"
        visitor.page.screenshot(path=picture)
        _shrink(picture)


def _shrink(picture: Path) -> None:
    """To a third, where pngquant is installed."""
    if shutil.which("pngquant"):
        subprocess.run(["pngquant", "--force", "--strip", "--output", picture, "256", picture], check=True)
