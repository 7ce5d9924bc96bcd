"""Long lines take no longer than many short ones, wherever a carriage return stands."""

import time

from pipelines.logs.search import _plain
from server.web.logs import plain

SECONDS = 1.0  # of the processor's time; the square of their length took five

LINES = (b"x" * 16_000 + b"\n") * 20 + b"done\r\n"


def test_the_page_shows_them_in_time() -> None:
    began = time.process_time()
    assert plain(LINES + b"1\r2\n").endswith("done\n2\n")
    assert time.process_time() - began < SECONDS


def test_the_search_reads_them_in_time() -> None:
    began = time.process_time()
    _plain(LINES + b"1\r2\n", 4, lower_all=False)
    assert time.process_time() - began < SECONDS
