"""Logs as text, whole or in ranges of bytes."""

from django.http import HttpRequest, HttpResponse, HttpResponseBase

from pipelines.logs import store
from pipelines.logs.models import Log
from server.downloads.ranges import Range, Unsatisfiable, asked_range
from server.downloads.streams import streamed


def text_of(request: HttpRequest, log: Log) -> HttpResponseBase:
    """The text as it was stored, or the range of it that is asked for; of a log that grows, up to where it is now."""
    tag = f'"{log.pk}-{log.size}"' if log.closed_at else ""  # bytes never change, but a growing log has no last version
    try:
        part = asked_range(request, log.size, tag)
    except Unsatisfiable:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{log.size}", "Accept-Ranges": "bytes"})
    wanted = part or Range(0, log.size)
    answer = streamed(request, store.read(log, wanted.start, wanted.end), "text/plain; charset=utf-8")
    if part:
        answer.status_code = 206
        answer["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{log.size}"
    answer["Content-Length"] = str(wanted.end - wanted.start)
    answer["Accept-Ranges"] = "bytes"
    if tag:
        answer["ETag"] = tag
    return answer
