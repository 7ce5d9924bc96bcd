"""The log viewer in a real browser, under the real content policy."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import pytest
import uvicorn
from asgiref.sync import sync_to_async
from django.conf import settings as configured
from django.db import connections, transaction
from django.test import Client
from playwright.async_api import ConsoleMessage, Page, async_playwright

from pipelines.logs import store
from pipelines.logs.models import Log
from pipelines.projects.models import Project
from pipelines.runs.models import Attempt
from server.asgi import application
from tests.factories import finish_stage, make_operator, make_project, make_run, plan, print_steps, start_stage
from tests.server.live.conftest import OwnRedis

pytestmark = pytest.mark.django_db(transaction=True)

CHROMIUM = "/usr/bin/chromium"


@dataclass(slots=True)
class Served:
    """This server, on one port of its own, that can be stopped and started again."""

    port: int
    server: uvicorn.Server | None = None
    thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        config = uvicorn.Config(application, port=self.port, lifespan="off", log_level="warning")
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.02)

    def stop(self) -> None:
        if self.server is not None and self.thread is not None:
            self.server.force_exit = self.server.should_exit = True
            self.thread.join(10)
            self.server = None


@dataclass(slots=True)
class Viewer:
    """A page and everything that its console said."""

    page: Page
    said: list[str] = field(default_factory=list)

    async def lines(self) -> list[str]:
        """The text of the lines in the page, in order."""
        script = "all => all.map(one => one.textContent)"
        return list(await self.page.eval_on_selector_all(".log .ln > span", script))

    async def until(self, condition: str, seconds: float = 15) -> None:
        """Playwright's own waiting evaluates text in the page, which the content policy forbids."""
        end = time.monotonic() + seconds
        while not await self.page.evaluate(condition):
            assert time.monotonic() < end, f"{condition}: not within {seconds} s; the console: {self.said}"
            await asyncio.sleep(0.03)


@pytest.fixture
def served(layer: OwnRedis, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    # Each request has a thread of its own, and a connection that outlives the request would be left behind by it.
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", 0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = Served(port)
    running.start()
    yield running
    running.stop()
    connections.close_all()


@pytest.fixture
async def viewer(served: Served) -> AsyncIterator[Viewer]:
    operator = await sync_to_async(make_operator)()
    client = Client()
    await sync_to_async(client.force_login)(operator)
    cookie = client.cookies[configured.SESSION_COOKIE_NAME].value
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = await browser.new_context(viewport={"width": 1280, "height": 800})
        await context.add_cookies([{"name": configured.SESSION_COOKIE_NAME, "value": cookie, "url": served.url}])
        made = Viewer(await context.new_page())
        made.page.on("console", lambda message: _note(made, message))
        made.page.on("pageerror", lambda error: made.said.append(f"error: {error}"))
        yield made
        await browser.close()


def _note(viewer: Viewer, message: ConsoleMessage) -> None:
    if message.type in ("error", "warning"):
        viewer.said.append(f"{message.type}: {message.text}")


@pytest.fixture
def project() -> Project:
    return make_project()


@pytest.fixture
def attempt(project: Project) -> Attempt:
    return start_stage(make_run(project))


def address(served: Served, attempt: Attempt, anchor: str = "") -> str:
    run = attempt.stage.run
    return f"{served.url}/projects/{run.project.name}/runs/{run.number}/?stage={attempt.stage.name}{anchor}"


@sync_to_async
def write(log: Log, data: bytes) -> None:
    with transaction.atomic():
        store.append(log, data, log.raw_size + len(data))


@sync_to_async
def close(log: Log) -> None:
    with transaction.atomic():
        store.close(log)


def shows(count: int) -> str:
    return f"document.querySelectorAll('.log .ln').length === {count}"


async def test_the_text_is_exact_before_and_after_a_reload(viewer: Viewer, served: Served, attempt: Attempt) -> None:
    await write(attempt.log, "grün\n\n  indented\ttab  \n😀".encode()[:-2])
    await viewer.page.goto(address(served, attempt))
    await viewer.until(shows(4))
    await write(attempt.log, "😀".encode()[-2:] + b" whole\nlast, no newline")
    await viewer.until(shows(5))
    expected = ["grün", "", "  indented\ttab  ", "😀 whole", "last, no newline"]
    await viewer.until("document.querySelector('.log').textContent.includes('no newline')")
    assert await viewer.lines() == expected
    await viewer.page.reload()
    await viewer.until(shows(5))
    assert await viewer.lines() == expected
    assert viewer.said == []


async def test_nothing_in_a_log_becomes_a_part_of_the_page(viewer: Viewer, served: Served, attempt: Attempt) -> None:
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
    await write(attempt.log, ("\n".join(hostile) + "\n").encode())
    await close(attempt.log)
    await viewer.page.goto(address(served, attempt))
    await viewer.until(shows(len(hostile)))
    assert await viewer.lines() == [
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
    found = await viewer.page.eval_on_selector_all(".log .ln :not(a, span)", "all => all.length")
    assert (found, await viewer.page.locator(".log .ln > span a").count()) == (0, 0)
    assert "taken" not in await viewer.page.title()
    assert viewer.said == []


async def test_colours_are_classes_and_go_on_over_lines(viewer: Viewer, served: Served, attempt: Attempt) -> None:
    text = (
        "\x1b[31mred\nstill red\x1b[0m plain\n"
        "\x1b[1;4;38;5;208mmany\x1b[22;24;39m none\n"
        "\x1b[48;2;255;0;0mtrue\x1b[m \x1b[92mbright\x1b[7mswapped\x1b[0m\n"
    )
    await write(attempt.log, text.encode())
    await close(attempt.log)
    await viewer.page.goto(address(served, attempt))
    await viewer.until(shows(4))
    pieces = await viewer.page.eval_on_selector_all(
        ".log .ln > span", "all => all.map(line => [...line.childNodes].map(n => [n.className ?? '', n.textContent]))"
    )
    assert pieces == [
        [["a31", "red"]],
        [["a31", "still red"], ["", " plain"]],
        [["ax208 a1 a4", "many"], ["", " none"]],
        [["bx196", "true"], ["", " "], ["a92", "bright"], ["a-under b92", "swapped"]],
    ]
    colours = await viewer.page.eval_on_selector_all(
        ".log .ln .a31, .log .ln .ax208", "all => all.map(one => getComputedStyle(one).color)"
    )
    ink = await viewer.page.eval_on_selector(".log .ln > span", "one => getComputedStyle(one).color")
    assert len({ink, *colours}) == 3
    assert viewer.said == []


async def test_of_a_progress_bar_the_last_drawing_stays(viewer: Viewer, served: Served, attempt: Attempt) -> None:
    await viewer.page.goto(address(served, attempt))
    for percent in range(0, 101, 10):
        await write(attempt.log, b"\x1b[32mloading %d%%\r" % percent)
    await write(attempt.log, b"loaded\r\nwindows line\r\n")
    await viewer.until(shows(2))
    assert await viewer.lines() == ["loaded", "windows line"]
    await viewer.page.reload()
    await viewer.until(shows(2))
    assert await viewer.lines() == ["loaded", "windows line"]


async def test_a_server_that_restarts_costs_no_line_and_doubles_none(
    viewer: Viewer, served: Served, attempt: Attempt
) -> None:
    await write(attempt.log, b"one\ntwo\nth")
    await viewer.page.goto(address(served, attempt))
    await viewer.until(shows(3))
    await sync_to_async(served.stop)()
    await viewer.until("document.querySelector('.log .wire').textContent.startsWith('Lost, trying again')")
    await viewer.until("document.querySelector('#wire').textContent.startsWith('Lost, trying again')")
    await write(attempt.log, b"ree\nfour\n")
    await sync_to_async(served.start)()
    await viewer.until(shows(4), 25)
    await write(attempt.log, b"five\n")
    await viewer.until(shows(5))
    assert await viewer.lines() == ["one", "two", "three", "four", "five"]
    await viewer.until("document.querySelector('#wire').textContent === 'Live'", 25)


async def test_steps_fold_the_log_and_the_last_stays_open(viewer: Viewer, served: Served, attempt: Attempt) -> None:
    await viewer.page.goto(address(served, attempt))
    await sync_to_async(print_steps)(attempt, [b"building\n", b"packing\n"], [0])
    await viewer.until("document.querySelectorAll('.log .fold').length === 2")
    await viewer.until("[...document.querySelectorAll('.log .fold')].map(one => one.open).join() === 'false,true'")
    names = await viewer.page.eval_on_selector_all(
        ".log .fold > summary > span:first-of-type", "all => all.map(one => one.textContent)"
    )
    assert names == ["echo building", "mkdir -p dist && date > dist/built"]
    assert await viewer.lines() == ["packing"]
    await viewer.page.locator(".log .fold > summary").first.click()
    await viewer.until(shows(2))
    assert await viewer.lines() == ["building", "packing"]
    assert viewer.said == []


async def test_a_hundred_thousand_lines_stay_smooth(viewer: Viewer, served: Served, attempt: Attempt) -> None:
    rest = "of many, each about a hundred bytes long " + "." * 40
    text = "".join(f"\x1b[3{i % 7 + 1}mline {i}\x1b[0m {rest}\n" for i in range(1, 100_001)).encode()
    for at in range(0, len(text), 64 * 1024):
        await write(attempt.log, text[at : at + 64 * 1024])
    await viewer.page.goto(address(served, attempt))
    await viewer.page.evaluate(
        "window.worst = 0; let then = performance.now();"
        "(function tick(now) { window.worst = Math.max(window.worst, now - then); then = now;"
        " requestAnimationFrame(tick); })(then)"
    )
    await viewer.until("document.querySelector('#L100000') !== null", 30)
    assert await viewer.page.locator(".log .ln").count() < 250
    await viewer.page.evaluate("document.querySelector('.log__b').scrollTop = 950_000")
    await viewer.until("document.querySelector('#L50005') !== null")
    shown = await viewer.page.eval_on_selector("#L50005 > span", "one => one.textContent")
    assert shown.startswith("line 50005 of many")
    assert not await viewer.page.locator(".log input[role=switch]").is_checked()
    await write(attempt.log, b"and one more\n")
    await viewer.until("document.querySelector('.log__end').textContent.includes('100,001 lines')")
    assert await viewer.page.locator("#L50005").count() == 1, "a reader in the middle stays there"
    assert await viewer.page.evaluate("window.worst") < 500


async def test_an_address_with_a_line_shows_that_line(viewer: Viewer, served: Served, attempt: Attempt) -> None:
    await write(attempt.log, b"".join(b"line %d\n" % i for i in range(1, 5001)))
    await close(attempt.log)
    await viewer.page.goto(address(served, attempt, "#L3210"))
    await viewer.until("document.querySelector('#L3210.ln--at') !== null")
    box = await viewer.page.locator("#L3210").bounding_box()
    frame = await viewer.page.locator(".log__b").bounding_box()
    assert box is not None
    assert frame is not None
    assert frame["y"] <= box["y"] <= frame["y"] + frame["height"]


async def test_a_line_without_end_is_continued_and_loses_nothing(
    viewer: Viewer, served: Served, attempt: Attempt
) -> None:
    text = "ä" * 100_000
    await write(attempt.log, text.encode())
    await write(attempt.log, b"\nnext\n")
    await viewer.page.goto(address(served, attempt))
    await viewer.until("document.querySelector('#L2') !== null")
    assert "".join((await viewer.lines())[:-1]) == text


async def test_the_page_hears_that_its_run_has_moved(viewer: Viewer, served: Served, project: Project) -> None:
    run = await sync_to_async(make_run)(project, spec=None)
    await viewer.page.goto(f"{served.url}/projects/{project.name}/runs/{run.number}/")
    await viewer.until("document.querySelector('#wire').textContent === 'Live'")
    await viewer.page.evaluate(
        "window.heard = []; document.body.addEventListener('slipway:changed', e => window.heard.push(e.detail.subject))"
    )
    await asyncio.sleep(0.3)
    await sync_to_async(plan)(run)
    await viewer.until("window.heard.includes('run')")
    await sync_to_async(finish_stage)(run, "build")
    await viewer.until("document.querySelector('#side').textContent.includes('1 of 2')", 5)
    assert viewer.said == []
