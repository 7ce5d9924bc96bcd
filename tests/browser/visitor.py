"""Somebody in front of Chromium: opens pages, and keeps whatever the browser complained about."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Response, expect, sync_playwright

PATIENCE_MS = 60_000  # on a machine that others use
expect.set_options(timeout=PATIENCE_MS)
_NAMES = ("chromium", "google-chrome")
_QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
_ARGUMENTS = [*_QUIET, "--disable-sync", "--no-first-run"]
# A refused script or style is in the console too, but this names the directive and what it met.
_TELL_REFUSALS = """document.addEventListener("securitypolicyviolation",
  (refusal) => console.error(`policy: ${refusal.violatedDirective} refused ${refusal.blockedURI || "inline"}`))"""
_WAITS = "document.fonts.ready.then(() => true)"
_FIRST_PAINT = """() => new Promise((tell) => new PerformanceObserver((list) => list.getEntries()
  .filter(({name}) => name === "first-contentful-paint").forEach(({startTime}) => tell(startTime)))
  .observe({type: "paint", buffered: true}))"""
# The numbers of a log's lines stand as close as its lines do: there is no other place for them.
_JUDGE = """(rules) => axe.run(document, {resultTypes: ["violations"], runOnly: rules})
  .then(({violations}) => violations
  .flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.html.slice(0, 160)}: ${node.any[0]?.message}`))
  .filter((told) => !/^target-size: .*<a href="#L\\d+"/.test(told)))"""
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# What sticks out, unless a part of its own scrolls it.
_STICKS_OUT = """() => {
  const wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= wide) return [];
  return [...document.querySelectorAll("body *")].filter(one => one.getBoundingClientRect().right > wide + 1)
    .slice(0, 5).map(one => `${one.tagName}.${one.getAttribute("class") ?? ""} ${one.textContent.trim().slice(0, 40)}`)
    .concat(`page ${document.documentElement.scrollWidth} wide in ${wide}`);
}"""


class NoChromium(AssertionError):
    """There is no Chromium on this machine, and these tests are nothing without one."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The machine's own Chromium, without a screen."""
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        raise NoChromium("no Chromium is installed: run `apt-get install chromium`, or `make test`, which does")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield browser
        browser.close()


# Chromium gives up whatever it loads when a network interface of the machine comes or goes: tests beside make networks.
CUT_OFF = "ERR_NETWORK_CHANGED"
LOADS = 4


@dataclass(slots=True)
class Visitor:
    """One person's window; `complaints` are errors and warnings of the console, and refusals of the content policy."""

    url: str
    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list)
    was_cut_off: bool = False

    def open(self, path: str) -> Response:
        """Go to a path of the site and wait until it is drawn; again, when Chromium gave up loading on the way."""
        for _ in range(LOADS):
            self.was_cut_off = False
            answer = self._go(path)
            if answer is not None and not self.was_cut_off:
                break
        assert answer is not None, f"{path} was no navigation"
        self.page.evaluate(_WAITS)
        return answer

    def _go(self, path: str) -> Response | None:
        try:
            return self.page.goto(self.url + path)
        except Error as error:
            if CUT_OFF not in error.message:
                raise
            return None

    def signs_in_as(self, person: User) -> None:
        """Without the form: with a session of theirs."""
        client = Client()
        client.force_login(person)
        cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
        self.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": self.url}])

    def expects(self, pattern: str) -> None:
        """Strike the complaints that read so: this story provokes them."""
        self.complaints[:] = [one for one in self.complaints if not re.search(pattern, one)]

    def sticks_out(self) -> list[str]:
        """The elements that make the page scroll sideways."""
        found: list[str] = self.page.evaluate(_STICKS_OUT)
        return found

    def first_paint_ms(self) -> float:
        """Milliseconds from the navigation until something could be seen."""
        return float(self.page.evaluate(_FIRST_PAINT))

    def barriers(self, *, colours_only: bool = False) -> list[str]:
        """What axe finds in the way of people who do not see, point or read well."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(_axe())
        found: list[str] = self.page.evaluate(_JUDGE, ["color-contrast"] if colours_only else _RULES)
        return found


def visit(browser: Browser, url: str, **window: Any) -> Visitor:
    """A window of its own, of 1440 × 900 unless `window` (options of a Playwright context) says otherwise."""
    context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **window})
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(_TELL_REFUSALS)
    made = Visitor(url, context, context.new_page())
    context.on("console", lambda message: _note(made, message))
    context.on("weberror", lambda error: made.complaints.append(f"{error.page and error.page.url}: {error.error}"))
    return made


def _note(visitor: Visitor, message: ConsoleMessage) -> None:
    if CUT_OFF in message.text:
        visitor.was_cut_off = True
    elif message.type in ("error", "warning"):
        visitor.complaints.append(f"{message.location.get('url', '')}: {message.text}")


@cache
def _axe() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text()
