"""The log viewer under the real content policy: the exact text, whatever the text is and however much."""

import time

import pytest
from django.db import transaction
from playwright.sync_api import Page

from pipelines.logs import store
from pipelines.logs.models import Log
from pipelines.runs.models import Attempt
from tests.browser.visitor import Visitor
from tests.factories import make_operator, make_run, print_steps, start_stage

# Milliseconds. Drawing all lines at once takes many seconds; other tests on the same cores take some.
LONGEST_FRAME = 2000


@pytest.fixture
def attempt() -> Attempt:
    return start_stage(make_run())


@pytest.fixture
def viewer(visitor: Visitor) -> Visitor:
    visitor.signs_in_as(make_operator())
    return visitor


def address(viewer: Visitor, attempt: Attempt, anchor: str = "") -> str:
    run = attempt.stage.run
    return f"{viewer.url}/projects/{run.project.name}/runs/{run.number}/?stage={attempt.stage.name}{anchor}"


def lines(page: Page) -> list[str]:
    """The text of the lines in the page, in order."""
    return list(page.eval_on_selector_all(".log .ln > span", "all => all.map(one => one.textContent)"))


def until(page: Page, condition: str, seconds: float = 60) -> None:
    """Playwright's own waiting evaluates text in the page, which the content policy forbids."""
    end = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < end, f"{condition}: not within {seconds} s"
        time.sleep(0.03)


def write(log: Log, data: bytes) -> None:
    with transaction.atomic():
        store.append(log, data, log.raw_size + len(data))


def close(log: Log) -> None:
    with transaction.atomic():
        store.close(log)


def shows(count: int) -> str:
    return f"document.querySelectorAll('.log .ln').length === {count}"


def test_the_text_is_exact_before_and_after_a_reload(viewer: Visitor, attempt: Attempt) -> None:
    page = viewer.page
    write(attempt.log, "grün\n\n  indented\ttab  \n😀".encode()[:-2])
    page.goto(address(viewer, attempt))
    until(page, shows(4))
    write(attempt.log, "😀".encode()[-2:] + b" whole\nlast, no newline")
    until(page, shows(5))
    expected = ["grün", "", "  indented\ttab  ", "😀 whole", "last, no newline"]
    until(page, "document.querySelector('.log').textContent.includes('no newline')")
    assert lines(page) == expected
    page.reload()
    until(page, shows(5))
    assert lines(page) == expected


def test_nothing_in_a_log_becomes_a_part_of_the_page(viewer: Visitor, attempt: Attempt) -> None:
    page = viewer.page
    hostile = [
        "<img src=x onerror=alert(1)><b>bold</b>",
        "<script>document.title='taken'</script>",
        "&lt;b&gt; &amp;",
        "\x1b]8;;javascript:alert(1)\x07click\x1b]8;;\x07",
        '\x1b[31"><i>x</i>m',
        "safe \u202egnp.exe \x07\x08 \x9b31m \u200f",
        "\x1bP1;2|dropped\x1b\\kept",
        "\x1b]0;never ends",
        "\x1b[2J\x1b[H\x1b[?25lcleared",
    ]
    write(attempt.log, ("\n".join(hostile) + "\n").encode())
    close(attempt.log)
    page.goto(address(viewer, attempt))
    until(page, shows(len(hostile)))
    assert lines(page) == [
        hostile[0],
        hostile[1],
        hostile[2],
        "click",
        '\\x1b[31"><i>x</i>m',
        "safe \\u202egnp.exe \\x07\\x08 \\x9b31m \\u200f",
        "kept",
        "\\x1b]0;never ends",
        "cleared",
    ]
    found = page.eval_on_selector_all(".log .ln :not(a, span)", "all => all.length")
    assert (found, page.locator(".log .ln > span a").count()) == (0, 0)
    assert "taken" not in page.title()


def test_colours_are_classes_and_go_on_over_lines(viewer: Visitor, attempt: Attempt) -> None:
    page = viewer.page
    text = (
        "\x1b[31mred\nstill red\x1b[0m plain\n"
        "\x1b[1;4;38;5;208mmany\x1b[22;24;39m none\n"
        "\x1b[48;2;255;0;0mtrue\x1b[m \x1b[92mbright\x1b[7mswapped\x1b[0m\n"
    )
    write(attempt.log, text.encode())
    close(attempt.log)
    page.goto(address(viewer, attempt))
    until(page, shows(4))
    pieces = page.eval_on_selector_all(
        ".log .ln > span", "all => all.map(line => [...line.childNodes].map(n => [n.className ?? '', n.textContent]))"
    )
    assert pieces == [
        [["a31", "red"]],
        [["a31", "still red"], ["", " plain"]],
        [["ax208 a1 a4", "many"], ["", " none"]],
        [["", "true"], ["", " "], ["a92", "bright"], ["a-under b92", "swapped"]],
    ]
    colours = page.eval_on_selector_all(
        ".log .ln .a31, .log .ln .ax208", "all => all.map(one => getComputedStyle(one).color)"
    )
    ink = page.eval_on_selector(".log .ln > span", "one => getComputedStyle(one).color")
    assert len({ink, *colours}) == 3
    grounds = page.eval_on_selector_all("#L4 > span > span", "all => all.map(one => one.style.background)")
    assert "#ff0000" in grounds[0] or "rgb(255, 0, 0)" in grounds[0]


def test_of_a_progress_bar_the_last_drawing_stays(viewer: Visitor, attempt: Attempt) -> None:
    page = viewer.page
    page.goto(address(viewer, attempt))
    for percent in range(0, 101, 10):
        write(attempt.log, b"\x1b[32mloading %d%%\r" % percent)
    write(attempt.log, b"loaded\r\nwindows line\r\n")
    until(page, shows(2))
    assert lines(page) == ["loaded", "windows line"]
    page.reload()
    until(page, shows(2))
    assert lines(page) == ["loaded", "windows line"]


def test_steps_fold_the_log_and_the_last_stays_open(viewer: Visitor, attempt: Attempt) -> None:
    page = viewer.page
    page.goto(address(viewer, attempt))
    print_steps(attempt, [b"building\n", b"packing\n"], [0])
    until(page, "document.querySelectorAll('.log .fold').length === 2")
    until(page, "[...document.querySelectorAll('.fold__h')].map(one => one.ariaExpanded).join() === 'false,true'")
    names = page.eval_on_selector_all(".fold__h > span:first-of-type", "all => all.map(one => one.textContent)")
    assert names == ["echo building", "mkdir -p dist && date > dist/built"]
    until(page, shows(1))
    assert lines(page) == ["packing"]
    page.locator(".fold__h").first.click()
    until(page, shows(2))
    assert lines(page) == ["building", "packing"]


def test_a_hundred_thousand_lines_stay_smooth(viewer: Visitor, attempt: Attempt) -> None:
    page = viewer.page
    rest = "of many, each about a hundred bytes long " + "." * 40
    text = "".join(f"\x1b[3{i % 7 + 1}mline {i}\x1b[0m {rest}\n" for i in range(1, 100_001)).encode()
    for at in range(0, len(text), 64 * 1024):
        write(attempt.log, text[at : at + 64 * 1024])
    page.goto(address(viewer, attempt))
    page.evaluate(
        "window.worst = 0; let then = performance.now();"
        "(function tick(now) { window.worst = Math.max(window.worst, now - then); then = now;"
        " requestAnimationFrame(tick); })(then)"
    )
    until(page, "document.querySelector('#L100000') !== null")
    assert page.locator(".log .ln").count() < 250
    page.evaluate("document.querySelector('.log__b').scrollTop = 950_000")
    until(page, "document.querySelector('#L50005') !== null")
    shown = page.eval_on_selector("#L50005 > span", "one => one.textContent")
    assert shown.startswith("line 50005 of many")
    assert not page.get_by_role("switch", name="Follow").is_checked()
    write(attempt.log, b"and one more\n")
    until(page, "document.querySelector('.log__end').textContent.includes('100,001 lines')")
    assert page.locator("#L50005").count() == 1, "a reader in the middle stays there"
    assert page.evaluate("window.worst") < LONGEST_FRAME


def test_an_address_with_a_line_shows_that_line(viewer: Visitor, attempt: Attempt) -> None:
    page = viewer.page
    write(attempt.log, b"".join(b"line %d\n" % i for i in range(1, 5001)))
    close(attempt.log)
    page.goto(address(viewer, attempt, "#L3210"))
    until(page, "document.querySelector('#L3210.ln--at') !== null")
    box = page.locator("#L3210").bounding_box()
    frame = page.locator(".log__b").bounding_box()
    assert box is not None
    assert frame is not None
    assert frame["y"] <= box["y"] <= frame["y"] + frame["height"]


def test_a_line_without_end_is_continued_and_loses_nothing(viewer: Visitor, attempt: Attempt) -> None:
    page = viewer.page
    text = "ä" * 100_000
    write(attempt.log, text.encode())
    write(attempt.log, b"\nnext\n")
    page.goto(address(viewer, attempt))
    until(page, "document.querySelector('#L2') !== null")
    assert "".join((lines(page))[:-1]) == text
