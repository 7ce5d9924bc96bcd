"""A log for the viewer: the rows that it is about to show, and where in the whole of it something stands."""

import gzip
import itertools
import json
import time
from array import array
from dataclasses import asdict

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from pipelines.logs import pages, search
from pipelines.logs.models import Log
from server.live.steps import steps_of
from server.reads.first_error import first_error as find_first
from server.web.logs import readable

ROWS = 500  # in one answer; the viewer asks for the multiples of it
_WANTED_MAX = 500  # characters to search for
_DIGITS_MAX = 12


@login_required
@require_safe
def rows(request: HttpRequest, log_id: int) -> HttpResponse:
    """A line of JSON, then the bytes of up to ROWS rows: those around row `?row=`, line `?line=`, or the end.

    The JSON tells of the first row: its number, the lines before it, the byte it begins at and how text looks there;
    of the log as it was when asked: rows, lines, bytes, steps, whether it is closed; `at`: the row that was asked for;
    `now` and `times` in milliseconds since 1970.
    """
    log = readable(request, log_id)
    row = _asked_row(request, log)
    window = pages.window(log, row - row % ROWS, ROWS)
    end = window.place.offset + len(window.data)
    told = {
        "at": row,
        "place": asdict(window.place),
        "times": pages.stamps(log, window.place.offset, end) if window.data else [],
        "now": int(time.time() * 1000),
        **_state(log),
    }
    return _answer(json.dumps(told).encode() + b"\n" + window.data)


@login_required
@require_safe
def find(request: HttpRequest, log_id: int) -> HttpResponse:
    """Rows in which `?q=` stands, as 32-bit little-endian differences, compressed; the last line may still grow."""
    found = search.find(readable(request, log_id), request.GET.get("q", "")[:_WANTED_MAX])
    differences = array("I", map(int.__sub__, found, itertools.chain((0,), found)))
    answer = _answer(gzip.compress(differences.tobytes(), 1))
    answer["Content-Encoding"] = "gzip"
    return answer


@login_required
@require_safe
def first_error(request: HttpRequest, log_id: int) -> JsonResponse:
    """`{"row": n or null, "step": name or null}`: the first row that speaks of an error.

    Of a stage in which a step failed, within that step if there is one, else the row it begins at.
    """
    return JsonResponse(asdict(find_first(readable(request, log_id))))


def _asked_row(request: HttpRequest, log: Log) -> int:
    total, _ = pages.totals(log)
    row = _number(request, "row")
    line = _number(request, "line")
    if line is not None:
        return pages.row_of_line(log, line)
    return min(row if row is not None else total, max(total - 1, 0))


def _number(request: HttpRequest, name: str) -> int | None:
    given = request.GET.get(name, "")
    return int(given) if given.isascii() and given.isdigit() and len(given) <= _DIGITS_MAX else None


def _state(log: Log) -> dict[str, object]:
    steps = [asdict(step) for step in steps_of(log.pk)]
    rows_count, lines = pages.totals(log)
    size, closed = log.size, log.closed_at is not None
    return {"rows": rows_count, "lines": lines, "size": size, "closed": closed, "steps": steps}


def _answer(content: bytes) -> HttpResponse:
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    return HttpResponse(content, content_type="application/octet-stream", headers=headers)
