"""Long lines take no longer than many short ones, wherever a carriage return stands."""

import time

from pipelines.logs.search import _plain
from server.web.logs import plain
from tests.lab.pace import quickest_seconds, slowness

SECONDS = 1.0  # of the processor's time; the square of their length took five

LINES = (b"x" * 16_000 + b"\n") * 20 + b"done\r\n"


def test_the_page_shows_them_in_time() -> None:
    seconds = SECONDS * slowness()
    assert plain(LINES + b"1\r2\n").endswith("done\n2\n")
    assert quickest_seconds(lambda: plain(LINES + b"1\r2\n"), seconds, clock=time.thread_time) < seconds


def test_the_search_reads_them_in_time() -> None:
    seconds = SECONDS * slowness()
    took = quickest_seconds(lambda: _plain(LINES + b"1\r2\n", 4, lower_all=False), seconds, clock=time.thread_time)
    assert took < seconds
