"""The acts of the audit as a file: a table for spreadsheets, or a list in JSON."""

import csv
import json
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone

from pipelines.audit import queries
from pipelines.audit.models import Act
from pipelines.audit.queries import Search
from server.downloads.streams import streamed

COLUMNS = ("place", "at", "actor", "verb", "subject", "reason", "facts", "seal")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would take for more than text


def exported(request: HttpRequest, search: Search, form: str) -> StreamingHttpResponse:
    """All acts that are sought, as a file in one of the FORMS."""
    write, content_type = FORMS[form]
    answer = streamed(request, write(queries.each(queries.find(search))), content_type)
    answer["Content-Disposition"] = f'attachment; filename="slipway-audit-{timezone.now():%Y-%m-%d}.{form}"'
    return answer


def _csv(acts: Iterator[Act]) -> Iterator[bytes]:
    yield _line(COLUMNS)
    for act in acts:
        row = _row(act)
        yield _line([_plain(json.dumps(row[name]) if name == "facts" else str(row[name] or "")) for name in COLUMNS])


def _line(cells: Any) -> bytes:
    text = StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()


def _plain(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _json(acts: Iterator[Act]) -> Iterator[bytes]:
    yield b"["
    for place, act in enumerate(acts):
        yield (b",\n" if place else b"\n") + json.dumps(_row(act), ensure_ascii=False).encode()
    yield b"\n]\n"


def _row(act: Act) -> dict[str, Any]:
    return {name: getattr(act, name) for name in COLUMNS} | {"at": act.at.isoformat()}


FORMS: dict[str, tuple[Callable[[Iterator[Act]], Iterator[bytes]], str]] = {
    "csv": (_csv, "text/csv; charset=utf-8"),
    "json": (_json, "application/json"),
}
