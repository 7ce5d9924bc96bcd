"""What one does with a log: search it, link to lines, find the first error, fold, follow, see times, by keys alone."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pipelines.runs.models import Attempt
from tests.browser.conftest import Visit
from tests.browser.test_log_view import address, close, lines, until, write
from tests.browser.visitor import Visitor
from tests.factories import make_operator, make_run, print_steps, start_stage

_FAILED = b"collected 3 items\nno errors in lint\nit breaks\n\x1b[31mE   AssertionError: 1 == 2\x1b[0m\n1 failed\n"


@pytest.fixture
def attempt() -> Attempt:
    return start_stage(make_run())


@pytest.fixture
def viewer(visitor: Visitor) -> Visitor:
    visitor.signs_in_as(make_operator())
    return visitor


@pytest.fixture
def long(attempt: Attempt) -> Attempt:
    """5,000 lines in two steps, of which the first has failed; every thousandth says needle, in colours."""
    said = [b"line %d%s" % (i, b" has a Nee\x1b[1mdle\x1b[0m" if i % 1000 == 0 else b"") for i in range(1, 5001)]
    said[2499] += b" error: it broke"
    text = b"\n".join(said) + b"\n"
    print_steps(attempt, [text[:20000], text[20000:]], [0, 2])
    close(attempt.log)
    return attempt


def in_sight(page: Page, line: int) -> bool:
    if not page.locator(f"#L{line}").count():
        return False
    box, frame = page.locator(f"#L{line}").bounding_box(), page.locator(".log__b").bounding_box()
    return bool(box and frame and frame["y"] <= box["y"] <= frame["y"] + frame["height"])


def test_a_search_finds_every_line_whatever_its_case_and_colours(viewer: Visitor, long: Attempt) -> None:
    page = viewer.page
    page.goto(address(viewer, long))
    until(page, "document.querySelector('.ln') !== null")
    page.keyboard.press("/")
    page.keyboard.type("NEEDLE")
    status = page.locator(".log__n")
    expect(status).to_have_text("1 of 5 lines")
    until(page, "document.querySelector('#L1000 mark') !== null")
    assert page.locator("#L1000 mark").all_text_contents() == ["Nee", "dle"]
    for line, count in ((2000, 2), (3000, 3)):
        page.keyboard.press("Enter")
        expect(status).to_have_text(f"{count} of 5 lines")
        until(page, f"document.querySelector('#L{line}.ln--on') !== null")
        assert in_sight(page, line)
    page.keyboard.press("Shift+Enter")
    expect(status).to_have_text("2 of 5 lines")
    page.get_by_label("Previous match").click()
    page.get_by_label("Previous match").click()
    expect(status).to_have_text("5 of 5 lines")
    until(page, "document.querySelector('#L5000.ln--on') !== null")
    page.get_by_label("Search in this log").fill("(no [such")
    expect(status).to_have_text("Nowhere")
    page.get_by_label("Search in this log").press("Escape")
    expect(status).to_have_text("")
    assert page.locator("mark").count() == 0


def test_what_is_searched_for_is_only_text(viewer: Visitor, attempt: Attempt) -> None:
    page = viewer.page
    write(attempt.log, b"a.b*c [x] (y) \\d $1\nabbc\n")
    close(attempt.log)
    page.goto(address(viewer, attempt))
    until(page, "document.querySelector('.ln') !== null")
    for wanted in ("a.b*c", "[x] (y)", "\\d $"):
        page.get_by_label("Search in this log").fill(wanted)
        expect(page.locator(".log__n")).to_have_text("1 of 1 line")
        expect(page.locator("mark")).to_have_text(wanted)


def test_a_click_names_a_line_and_with_shift_a_range_and_both_survive_a_reload(viewer: Visitor, long: Attempt) -> None:
    page = viewer.page
    page.goto(address(viewer, long, "#L3210"))
    until(page, "document.querySelector('#L3210.ln--at') !== null")
    page.locator("#L3212 > a").click()
    assert page.evaluate("location.hash") == "#L3212"
    page.locator("#L3208 > a").click(modifiers=["Shift"])
    assert page.evaluate("location.hash") == "#L3208-L3212"
    marked = "[...document.querySelectorAll('.ln--at')].map(one => one.id).join()"
    expected = ",".join(f"L{number}" for number in range(3208, 3213))
    until(page, f"{marked} === '{expected}'")
    page.reload()
    until(page, f"{marked} === '{expected}'")
    assert in_sight(page, 3208)


def test_a_line_in_a_folded_step_is_shown_by_its_address(viewer: Visitor, long: Attempt) -> None:
    page = viewer.page
    page.goto(address(viewer, long, "#L7"))
    until(page, "document.querySelector('#L7.ln--at') !== null")
    assert in_sight(page, 7)
    assert page.locator(".fold__h").first.get_attribute("aria-expanded") == "true"


def test_the_first_error_is_the_first_line_of_the_failed_step_that_speaks_of_one(
    viewer: Visitor, attempt: Attempt
) -> None:
    page = viewer.page
    print_steps(attempt, [b"warning: error is only a word here\n" * 3, b"fine\n" * 3000 + _FAILED], [0, 1])
    close(attempt.log)
    page.goto(address(viewer, attempt))
    page.get_by_role("button", name="First error").click()
    until(page, "document.querySelector('.ln--on') !== null")
    shown = page.eval_on_selector(".ln--on > span", "one => one.textContent")
    assert shown == "E   AssertionError: 1 == 2"
    assert in_sight(page, 3007)


def test_a_log_without_errors_says_so(viewer: Visitor, attempt: Attempt) -> None:
    page = viewer.page
    write(attempt.log, b"0 errors, 0 failed\nno failures\nerrors: 0\n--on-error=stop\n")
    close(attempt.log)
    page.goto(address(viewer, attempt))
    page.get_by_role("button", name="First error").click()
    expect(page.get_by_text("No line speaks of an error")).to_be_visible()


def test_times_are_shown_on_demand_and_remembered(viewer: Visitor, attempt: Attempt) -> None:
    page = viewer.page
    write(attempt.log, b"one\n")
    page.goto(address(viewer, attempt))
    until(page, "document.querySelector('#L1') !== null")
    assert page.locator(".ln time").count() == 0
    page.get_by_role("switch", name="Times").check()
    write(attempt.log, b"two\n")
    until(page, "document.querySelectorAll('.ln time').length === 2")
    for text in page.locator(".ln time").all_text_contents():
        assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d", text)
    at = page.evaluate("Date.parse(document.querySelector('.ln time').dateTime)")
    stored = attempt.log.chunks.values_list("at", flat=True)[0]
    assert stored is not None
    assert abs(at - stored.timestamp() * 1000) < 2
    page.reload()
    until(page, "document.querySelectorAll('.ln time').length === 2")


def test_follow_goes_with_the_end_until_somebody_scrolls_up(viewer: Visitor, attempt: Attempt) -> None:
    page = viewer.page
    follow = page.get_by_role("switch", name="Follow")
    write(attempt.log, b"".join(b"line %d\n" % i for i in range(1, 2001)))
    page.goto(address(viewer, attempt))
    until(page, "document.querySelector('#L2000') !== null")
    assert follow.is_checked()
    write(attempt.log, b"line 2001\n")
    until(page, "document.querySelector('#L2001') !== null")
    page.locator(".log__b").hover()
    page.mouse.wheel(0, -3000)
    expect(follow).not_to_be_checked()
    write(attempt.log, b"line 2002\n")
    expect(page.locator(".log__end")).to_contain_text("2,002 lines")
    assert not in_sight(page, 2002)
    follow.check()
    until(page, "document.querySelector('#L2002') !== null")
    assert in_sight(page, 2002)


def test_nothing_around_it_moves_while_a_log_grows(viewer: Visitor, attempt: Attempt) -> None:
    page = viewer.page
    write(attempt.log, b"first\n")
    page.goto(address(viewer, attempt))
    until(page, "document.querySelector('#L1') !== null")
    page.evaluate(
        "window.shifts = []; new PerformanceObserver(list => list.getEntries().forEach(one => window.shifts.push(one)))"
        ".observe({ type: 'layout-shift' })"
    )
    for number in range(40):
        write(attempt.log, b"more %d\n" % number * 3)
    until(page, "document.querySelector('.log__end').textContent.includes('121 lines')")
    page.evaluate("new Promise(done => setTimeout(done, 300))")
    moved = page.evaluate(
        "window.shifts.flatMap(one => one.sources.map(where => where.node).filter(node => !node?.closest?.('.log__b'))"
        ".map(node => `${one.value}: ${node?.outerHTML?.slice(0, 90)}`))"
    )
    assert moved == []


def test_rows_are_the_same_wherever_reading_begins(viewer: Visitor, attempt: Attempt) -> None:
    """Long lines, drawings over drawings and colours over blocks: each row read alone is as in the whole."""
    page = viewer.page
    text = b"\x1b[1;38;5;208m"
    for i in range(1200):
        text += (
            b"row %d " % i + ("ü" * 9000).encode() * (i % 400 == 7) + b"50%%\r\x1b[3%dm100%%" % (i % 8) * (i % 3 == 0)
        )
        text += b"\x1b[4m\n" if i % 5 else b"\x1b[24m\r\n"
    for at in range(0, len(text), 7001):
        write(attempt.log, text[at : at + 7001])
    page.goto(address(viewer, attempt))
    until(page, "document.querySelector('#L1200') !== null")
    look = "one => [one.id, one.querySelector(':scope > span').innerHTML]"
    live = dict(page.eval_on_selector_all("#L1195, #L1196, #L1197, #L1198, #L1199, #L1200", f"all => all.map({look})"))
    assert len(live) == 6
    close(attempt.log)
    page.goto(address(viewer, attempt, "&x#L1196"))
    until(page, "document.querySelector('#L1196.ln--at') !== null")
    late = dict(page.eval_on_selector_all(".ln", f"all => all.filter(one => one.id).map({look})"))
    assert {line: late[line] for line in live} == live
    assert "ax208" in live["L1197"] or "a3" in live["L1197"]


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 1440), ("light", 360)])
def test_the_viewer_has_no_barriers_in_any_light_or_width(
    visitor_of: Visit, long: Attempt, theme: str, width: int, tmp_path: Path
) -> None:
    viewer = visitor_of(color_scheme=theme, viewport={"width": width, "height": 900})
    viewer.signs_in_as(make_operator())
    viewer.page.goto(address(viewer, long, "#L2499-L2501"))
    until(viewer.page, "document.querySelector('#L2499.ln--at') !== null")
    viewer.page.get_by_role("switch", name="Times").check()
    viewer.page.get_by_label("Search in this log").fill("error")
    expect(viewer.page.locator(".log__n")).to_have_text("1 of 1 line")
    viewer.page.screenshot(path=tmp_path / f"log-{theme}-{width}.png")
    places = "one => [...one.children].map(part => part.getBoundingClientRect().left)"
    assert viewer.page.eval_on_selector("#L2500", places) == sorted(viewer.page.eval_on_selector("#L2500", places))
    assert len(set(viewer.page.eval_on_selector("#L2500", places))) == 3
    assert viewer.sticks_out() == []
    assert viewer.barriers() == []
    assert lines(viewer.page)


def test_keys_alone_reach_everything(viewer: Visitor, long: Attempt) -> None:
    page = viewer.page
    page.goto(address(viewer, long))
    until(page, "document.querySelector('.ln') !== null")
    page.keyboard.press("/")
    reached = []
    for _ in range(12):
        reached.append(
            page.evaluate("[document.activeElement].map(one => one.ariaLabel || one.parentNode.textContent.trim())[0]")
        )
        page.keyboard.press("Tab")
    for name in ("Search in this log", "Previous match", "Next match", "Follow", "Times"):
        assert name in reached
