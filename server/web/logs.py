"""Logs as text: the whole of one as a file, and the end of one for pages without JavaScript."""

import json
import re
from dataclasses import asdict, dataclass

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.shortcuts import get_object_or_404

from pipelines.logs import store
from pipelines.logs.models import Log
from server import access
from server.access import Act
from server.live.steps import steps_of
from server.live.subjects import project_of_log
from server.web.streams import streamed

SHOWN = 64 * 1024  # bytes of a log's end that a page itself carries
# Everything that moves a terminal's cursor or colours its text, and control characters but tab and newline.
_CONTROL = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)


@dataclass(frozen=True, slots=True)
class ShownLog:
    """What the log element of a page needs; `steps` is JSON, `text` the end of the log as plain text."""

    log: Log
    name: str
    text: str
    cut: bool
    steps: str


def shown(log: Log, name: str) -> ShownLog:
    data = store.tail(log, SHOWN)
    cut = log.size > len(data)
    if cut:
        data = data[data.find(b"\n") + 1 :]
    return ShownLog(log, name, plain(data), cut, json.dumps([asdict(step) for step in steps_of(log.pk)]))


def plain(data: bytes) -> str:
    """Output as a terminal without colours would leave it."""
    text = data.decode(errors="replace").replace("\r\n", "\n")
    return _CONTROL.sub("", re.sub(r"[^\n]*\r", "", text))


@login_required
def raw(request: HttpRequest, log_id: int) -> StreamingHttpResponse:
    log = get_object_or_404(Log, pk=log_id)
    project = project_of_log(log_id)
    if project is None:
        raise Http404
    access.require(request.user, Act.VIEW, project)
    answer = streamed(request, store.read(log, 0, log.size), "text/plain; charset=utf-8")
    answer["Content-Length"] = str(log.size)
    return answer
