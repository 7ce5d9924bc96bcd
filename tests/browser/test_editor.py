"""The pipeline editor in a real browser, under the real content policy."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pipelines.projects import pipelines
from pipelines.projects.models import Project
from tests.browser.conftest import Visit
from tests.browser.visitor import Visitor
from tests.factories import make_operator, make_project

GOOD = """\
image: debian:12
stages:
  build: {steps: [make]}
  test:
    matrix: {python: ["3.11", "3.12"]}
    image: python:${{ matrix.python }}
    steps: [pytest]
"""
BAD = GOOD + "  ship:\n    needs: [biuld]\n    steps: [./ship]\n"


@pytest.fixture
def project() -> Project:
    return make_project(name="shop")


@pytest.fixture
def editor(visitor: Visitor, project: Project) -> Visitor:
    visitor.signs_in_as(make_operator())
    visitor.open("/projects/shop/pipeline/")
    return visitor


def write(page: Page, text: str) -> None:
    """As if typed at once: the editor's own way in, so that all that hangs on a change happens."""
    page.evaluate("text => document.querySelector('.CodeMirror').CodeMirror.setValue(text)", text)


def typed(page: Page, before: str, keys: str) -> None:
    """Put the cursor at the end of `before` and press keys."""
    write(page, before)
    page.evaluate(
        "() => { const code = document.querySelector('.CodeMirror').CodeMirror; "
        "code.execCommand('goDocEnd'); code.focus(); }"
    )
    page.keyboard.type(keys)


def test_the_stages_are_drawn_as_they_would_run(editor: Visitor) -> None:
    write(editor.page, GOOD)
    expect(editor.page.locator("#summary")).to_have_text("3 of 3 stages would run for a push to main.")
    expect(editor.page.locator("#preview .plate")).to_have_count(3)
    expect(editor.page.locator("#preview .grp")).to_contain_text("test, by")


def test_a_mistake_stands_under_its_line_while_typing_and_one_press_mends_it(editor: Visitor) -> None:
    write(editor.page, BAD)
    under = editor.page.locator(".diag")
    expect(under).to_contain_text("line 9, column 13")
    expect(under).to_contain_text("no stage is called 'biuld'")
    expect(editor.page.locator(".CodeMirror .bad")).to_have_text("biuld")
    expect(editor.page.locator("#save")).to_be_disabled()
    editor.page.get_by_role("button", name="Change to build").click()
    expect(under).to_have_count(0)
    expect(editor.page.locator("#save")).to_be_enabled()
    assert "needs: [build]" in editor.page.evaluate("document.querySelector('.CodeMirror').CodeMirror.getValue()")


def test_keys_that_fit_are_offered_with_what_they_mean(editor: Visitor) -> None:
    typed(editor.page, "image: x\nstages:\n  a:\n    ", "art")
    offered = editor.page.locator(".CodeMirror-hint")
    expect(offered).to_have_count(1)
    expect(offered).to_contain_text("artifacts")
    editor.page.keyboard.press("Enter")
    assert editor.page.evaluate("document.querySelector('.CodeMirror').CodeMirror.getLine(3)") == "    artifacts: "


def test_after_needs_the_stages_are_offered(editor: Visitor) -> None:
    typed(editor.page, "image: x\nstages:\n  build: {steps: [x]}\n  test:\n    needs: [", "b")
    expect(editor.page.locator(".CodeMirror-hint")).to_have_text(["build"])


def test_a_key_tells_what_it_means_when_pointed_at(editor: Visitor) -> None:
    write(editor.page, GOOD)
    editor.page.locator(".CodeMirror-line", has_text="matrix:").locator(".cm-atom").first.hover()
    expect(editor.page.locator(".CodeMirror")).to_have_attribute("title", re.compile(r".{20,}"))


def test_saving_by_key_makes_a_version(editor: Visitor, project: Project) -> None:
    write(editor.page, GOOD)
    expect(editor.page.locator("#count")).to_have_text("no mistakes")
    editor.page.locator("#message").fill("Begin here")
    editor.page.evaluate("document.querySelector('.CodeMirror').CodeMirror.focus()")
    editor.page.keyboard.press("Control+s")
    expect(editor.page.get_by_text("Saved as version 1")).to_be_visible()
    newest = pipelines.current(project)
    assert newest is not None
    assert (newest.text, newest.message) == (GOOD, "Begin here")


def test_it_fits_a_phone_and_shuts_nobody_out_in_both_themes(
    visitor_of: Visit, project: Project, tmp_path: Path
) -> None:
    pipelines.keep(project, GOOD, "ana (#1)", "Begin")
    pipelines.keep(project, GOOD.replace("pytest", "pytest -q"), "ana (#1)", "Less talk", based_on=1)
    found = []
    for theme, width in (("light", 1440), ("dark", 1440), ("light", 360)):
        visitor = visitor_of(color_scheme=theme, reduced_motion="reduce", viewport={"width": width, "height": 900})
        visitor.signs_in_as(make_operator())
        for path in ("", "versions/2/"):
            visitor.open(f"/projects/shop/pipeline/{path}")
            if not path:
                write(visitor.page, BAD)
                expect(visitor.page.locator(".diag")).to_be_visible()
            found += visitor.sticks_out() + visitor.barriers()
            visitor.page.screenshot(path=tmp_path / f"pipeline-{theme}-{width}{path.strip('/').replace('/', '-')}.png")
    assert found == []
