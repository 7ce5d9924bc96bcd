"""A stand-in for Slack's Web API: it takes what a real workspace would and keeps it to be looked at."""

import contextlib
import itertools
import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.lab.stand_in import Answer, Asked, serve


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a channel as last written; `ts` is its name there."""

    channel: str
    ts: str
    text: str
    blocks: list[Any]
    thread_ts: str | None = None


@dataclass(slots=True)
class Slack:
    """A workspace with one bot token. `refusals` are answered in turn before anything is taken."""

    token: str = "xoxb-lab"
    url: str = ""
    messages: dict[str, Message] = field(default_factory=dict)
    refusals: list[Answer] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def texts(self) -> list[str]:
        """The messages' plain texts, oldest first."""
        return [message.text for message in self.messages.values()]

    def answer(self, asked: Asked) -> Answer:
        """Answer one call as Slack does: 200 with `ok`, whatever went wrong."""
        with self._lock:
            if self.refusals:
                return self.refusals.pop(0)
            if asked.headers.get("Authorization") != f"Bearer {self.token}":
                return _no("invalid_auth")
            return self._take(asked.path.rpartition("/")[2], _fields(asked))

    def _take(self, method: str, fields: dict[str, Any]) -> Answer:
        if method == "auth.test":
            return _yes(url=self.url + "/", team="Lab", user="slipway", team_id="T1", user_id="U1", bot_id="B1")
        if method == "chat.postMessage":
            return self._write(f"1700000000.{next(self._numbers):06d}", fields)
        if method == "chat.update":
            known = fields.get("ts") in self.messages
            return self._write(fields["ts"], fields) if known else _no("message_not_found")
        return _no("unknown_method")

    def _write(self, ts: str, fields: dict[str, Any]) -> Answer:
        if not fields.get("channel"):
            return _no("channel_not_found")
        if not (fields.get("text") or fields.get("blocks")):
            return _no("no_text")
        thread, blocks = fields.get("thread_ts"), fields.get("blocks") or []
        message = Message(fields["channel"], ts, fields.get("text", ""), blocks, thread)
        self.messages[ts] = message
        return _yes(channel=message.channel, ts=ts, message={"text": message.text, "ts": ts})


@contextlib.contextmanager
def slack(address: str = "127.0.0.1") -> Iterator[Slack]:
    """Run a workspace on `address`; `url` + "/api/" is the base URL for slack_sdk."""
    workspace = Slack()
    with serve(workspace.answer, address) as url:
        workspace.url = url
        yield workspace


def _fields(asked: Asked) -> dict[str, Any]:
    if asked.body and asked.headers.get("Content-Type", "").startswith("application/json"):
        return dict(asked.json())
    return dict(urllib.parse.parse_qsl(asked.body.decode()))


def _yes(**values: Any) -> Answer:
    return Answer(value={"ok": True, **values})


def _no(error: str) -> Answer:
    return Answer(value={"ok": False, "error": error})
