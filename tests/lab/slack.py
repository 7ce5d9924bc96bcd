"""A stand-in for Slack's Web API: it takes what a real workspace would and keeps it to be looked at."""

import contextlib
import hashlib
import itertools
import json
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from tests.lab.stand_in import Answer, Asked, serve


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a channel as last written; `channel` is as it was asked for, `ts` its name there.

    `versions` are the texts that it had before; `name` is what its sender calls it.
    """

    channel: str
    ts: str
    text: str
    blocks: list[Any]
    thread_ts: str | None = None
    name: str = ""
    versions: tuple[str, ...] = ()


@dataclass(slots=True)
class Slack:
    """A workspace with one bot token. `refusals` are answered in turn before anything is taken.

    A channel is asked for by its name or id; answers give the id, and only by that a message can be written over.
    `on_taken` hears of each method that was carried out, before the answer: the asker waits for as long as it takes.
    """

    token: str = "xoxb-lab"
    url: str = ""
    messages: dict[str, Message] = field(default_factory=dict)
    refusals: list[Answer] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    on_taken: Callable[[str], None] = lambda method: None
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def texts(self) -> list[str]:
        """The messages' plain texts, oldest first."""
        return [message.text for message in self.messages.values()]

    @property
    def roots(self) -> list[Message]:
        """What stands in channels, oldest first; without what stands in threads."""
        return [message for message in self.messages.values() if message.thread_ts is None]

    def thread(self, root: Message) -> list[Message]:
        return [message for message in self.messages.values() if message.thread_ts == root.ts]

    def answer(self, asked: Asked) -> Answer:
        """Answer one call as Slack does: 200 with `ok`, whatever went wrong."""
        with self._lock:
            if self.refusals:
                return self.refusals.pop(0)
            if asked.headers.get("Authorization") != f"Bearer {self.token}":
                return _no("invalid_auth")
            method = asked.path.rpartition("/")[2]
            self.asked.append(method)
            answer = self._take(method, _fields(asked))
        self.on_taken(method)
        return answer

    def _take(self, method: str, fields: dict[str, Any]) -> Answer:
        if method == "auth.test":
            return _yes(url=self.url + "/", team="Lab", user="slipway", team_id="T1", user_id="U1", bot_id="B1")
        if method == "chat.postMessage":
            return self._post(fields)
        if method == "chat.update":
            return self._update(fields)
        return _no("unknown_method")

    def _post(self, fields: dict[str, Any]) -> Answer:
        if wrong := _wrong(fields):
            return _no(wrong)
        channel, thread = fields["channel"], fields.get("thread_ts") or None
        if thread is not None and thread not in self.messages:
            return _no("thread_not_found")
        ts = f"1700000000.{next(self._numbers):06d}"
        named = next((m.channel for m in self.messages.values() if _id(m.channel) == channel), channel)
        self.messages[ts] = Message(named, ts, fields.get("text", ""), _blocks(fields), thread, _name(fields))
        return self._yes(self.messages[ts])

    def _update(self, fields: dict[str, Any]) -> Answer:
        old = self.messages.get(fields.get("ts", ""))
        if old is None:
            return _no("message_not_found")
        if fields.get("channel") != _id(old.channel):
            return _no("channel_not_found")
        if wrong := _wrong(fields):
            return _no(wrong)
        self.messages[old.ts] = replace(
            old, text=fields.get("text", ""), blocks=_blocks(fields), versions=(*old.versions, old.text)
        )
        return self._yes(self.messages[old.ts])

    def _yes(self, message: Message) -> Answer:
        return _yes(channel=_id(message.channel), ts=message.ts, message={"text": message.text, "ts": message.ts})


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


def _id(channel: str) -> str:
    """Slack's id of a channel that was asked for by its name; an id stands for itself."""
    return f"C{hashlib.sha256(channel.encode()).hexdigest()[:9].upper()}" if channel.startswith("#") else channel


def _wrong(fields: dict[str, Any]) -> str:
    """What Slack would say of a message; empty for a good one."""
    if not fields.get("channel"):
        return "channel_not_found"
    if not (fields.get("text") or fields.get("blocks")):
        return "no_text"
    return "invalid_blocks" if len(_blocks(fields)) > 50 else ""


def _blocks(fields: dict[str, Any]) -> list[Any]:
    """Sent as JSON, or as JSON in a form's field."""
    blocks = fields.get("blocks") or []
    return list(json.loads(blocks)) if isinstance(blocks, str) else list(blocks)


def _name(fields: dict[str, Any]) -> str:
    metadata = fields.get("metadata") or {}
    told = json.loads(metadata) if isinstance(metadata, str) else metadata
    return str(told.get("event_payload", {}).get("id", ""))


def _yes(**values: Any) -> Answer:
    return Answer(value={"ok": True, **values})


def _no(error: str) -> Answer:
    return Answer(value={"ok": False, "error": error})
