"""People in front of Chromium on the whole server: they sign in by the form, and what they see is looked over."""

import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Error, Locator, Page, expect

from tests.browser.visitor import CUT_OFF, LOADS, Visitor, visit
from tests.lab.patience import until
from tests.lab.scene import Scene

PATIENCE_MS = 120_000  # on a machine that does much else besides
_PICTURES = os.environ.get("SLIPWAY_TEST_PICTURES", "")  # a folder; what is looked over is painted into it


@dataclass(frozen=True, slots=True)
class Person:
    """Who signs in with name and password."""

    name: str
    password: str


@dataclass(frozen=True, slots=True)
class Window:
    """A window of one person; what it is asked to show may take its time."""

    visitor: Visitor

    @property
    def page(self) -> Page:
        return self.visitor.page

    def beside(self) -> "Window":
        """Another window of the same person."""
        first = self.visitor
        return Window(Visitor(first.url, first.context, first.context.new_page(), first.complaints))

    def sign_in(self, person: Person) -> None:
        """By the form, which leads to the first page."""
        self.visitor.open("/sign-in/")
        self.page.get_by_label("Name").fill(person.name)
        self.page.get_by_label("Password").fill(person.password)
        self.follow(self.page.get_by_role("button", name="Sign in"), "**/")
        expect(self.page.locator("summary.who")).to_be_visible(timeout=PATIENCE_MS)

    def follow(self, link: Locator, to: str) -> None:
        """Press what leads to a page whose address is like `to`; again, when Chromium gave up loading on the way."""
        for _ in range(LOADS):
            try:
                with self.page.expect_navigation(url=to, timeout=PATIENCE_MS):
                    link.click()
                return
            except Error as error:
                if CUT_OFF not in error.message:
                    raise
                self.page.go_back()
        raise AssertionError(f"{to} was never loaded")

    def watch(self) -> None:
        """Wait until the page is live, and mark it, so that a reload would show."""
        expect(self.page.locator("#wire")).to_have_text("Live", timeout=PATIENCE_MS)
        self.page.evaluate("() => { window.isUntouched = true; }")

    @property
    def is_untouched(self) -> bool:
        """Whether the page is the one that was marked, not loaded again since."""
        return bool(self.page.evaluate("() => window.isUntouched === true"))

    def reads(self, part: str, *words: str | re.Pattern[str]) -> None:
        """Wait until a part of the page, named by its selector, says all of it."""
        for one in words:
            expect(self.page.locator(part)).to_contain_text(one, timeout=PATIENCE_MS)

    def copied(self, button: str) -> str:
        """What stands in the clipboard after the button was pressed."""
        self.page.evaluate("() => navigator.clipboard.writeText('')")
        self.page.get_by_role("button", name=button).click()
        return until(f"what “{button}” copies", lambda: str(self.page.evaluate("() => navigator.clipboard.readText()")))

    def paste(self, text: str) -> None:
        """Out of the clipboard, to where the cursor is."""
        self.page.evaluate("text => navigator.clipboard.writeText(text)", text)
        self.page.keyboard.press("Control+v")

    def paint(self, name: str) -> None:
        """Where pictures are wanted."""
        if _PICTURES:
            self.page.screenshot(path=Path(_PICTURES) / f"{name}.png")

    def looks_over(self, name: str) -> None:
        """The page fits its window and shuts nobody out."""
        self.paint(name)
        assert self.visitor.sticks_out() == []
        assert self.visitor.barriers() == []


def open_window(browser: Browser, scene: Scene) -> Window:
    """A window that nobody has signed in to."""
    wishes = {"reduced_motion": "reduce", "permissions": ["clipboard-read", "clipboard-write"]}
    visitor = visit(browser, scene.server.url, **wishes)
    visitor.context.set_default_timeout(PATIENCE_MS)
    return Window(visitor)


def operator_of(scene: Scene) -> Person:
    """The person who set the server up."""
    return Person(scene.operator.name, scene.operator.password)


def hire(scene: Scene, name: str, project: str, role: str) -> Person:
    """A person in a team that has the role in the project, put there by the operator."""
    person, team = Person(name, secrets.token_urlsafe(12)), f"{role}s of {project}"
    scene.operator.add_person(name, person.password, team)
    scene.operator.let_in(project, team, role)
    return person
