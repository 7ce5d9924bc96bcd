"""Logs as text: the whole of one as a file, and the end of one for pages without JavaScript."""

import re
from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase

from pipelines.logs import store
from pipelines.logs.models import Log
from server import fetching
from server.downloads.logs import text_of

SHOWN = 64 * 1024  # bytes of a log's end that a page itself carries
# Everything that moves a terminal's cursor or colours its text, and control characters but tab and newline.
_CONTROL = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)


@dataclass(frozen=True, slots=True)
class ShownLog:
    """What the log element of a page needs; `text` is the end of the log as plain text."""

    log: Log
    name: str
    text: str
    cut: bool


def shown(log: Log, name: str) -> ShownLog:
    data = store.tail(log, SHOWN)
    cut = log.size > len(data)
    if cut:
        data = data[data.find(b"\n") + 1 :]
    return ShownLog(log, name, plain(data), cut)


def plain(data: bytes) -> str:
    """Output as a terminal without colours would leave it."""
    text = data.decode(errors="replace").replace("\r\n", "\n")
    return _CONTROL.sub("", re.sub(r"(?m)^[^\n]*\r", "", text))


@login_required
def raw(request: HttpRequest, log_id: int) -> HttpResponseBase:
    return text_of(request, readable(request, log_id))


def readable(request: HttpRequest, log_id: int) -> Log:
    """The log, if this person may read it."""
    return fetching.log(request.user, log_id)
