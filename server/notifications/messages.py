"""Pure: from what happened to what a chat channel reads."""

import re
from dataclasses import dataclass
from typing import Any

from server.notifications.words import Cause, Words

Block = dict[str, Any]

_MAX_FIELD = 300  # characters of one text of somebody else's
_MAX_TAIL = 2500  # characters of a log's end
_TAIL_LINES = 15

_ESCAPE_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """`text` is what a notification shows, `blocks` what the channel shows."""

    text: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class BrokenRun:
    """A run on the default branch that failed or errored; `tail` is the end of the first cause's log."""

    project: str
    number: int
    status: str
    ref_name: str
    short_sha: str
    title: str
    author: str
    reason: str
    causes: tuple[Cause, ...]
    tail: str
    url: str


def broken_run(run: BrokenRun) -> ChatMessage:
    headline = f"{escape(run.project)}: run {run.number} {run.status} on {escape(run.ref_name)}"
    stages = [f"• *{escape(cause.name)}*: {escape(cause.reason) or run.status}" for cause in run.causes]
    commit = f"{run.short_sha} {escape(run.title)}, by {escape(run.author) or 'nobody named'}"
    blocks = [
        _section(f"*{headline}*\n" + ("\n".join(stages) or escape(run.reason))),
        *([_preformatted(run.tail)] if run.tail.strip() else []),
        _context(f"{commit} · {_link(run.url, f'Run {run.number}')}"),
    ]
    first = run.causes[0] if run.causes else None
    cause = f"{first.name}: {first.reason}" if first and first.reason else run.reason
    return ChatMessage(f"{headline}: {escape(cause)}" if cause else headline, tuple(blocks))


def chat(said: Words) -> ChatMessage:
    """Any other message, as a channel reads it."""
    headline = escape(said.headline)
    shown = "\n".join([f"*{headline}*", *(_line(line) for line in said.lines)])
    notes = " · ".join([*(escape(note) for note in said.notes), _link(said.url, escape(said.link))])
    text = f"{headline}: {escape(said.cause)}" if said.cause else headline
    return ChatMessage(text, (_section(shown), _context(notes)))


def plain(text: str) -> str:
    """Somebody else's text on one line, without what is not seen, no more of it than is read."""
    seen = " ".join(_UNSEEN.sub(" ", text[: 4 * _MAX_FIELD]).split())
    return seen if len(seen) <= _MAX_FIELD else seen[: _MAX_FIELD - 1] + "…"


def escape(text: str) -> str:
    """Somebody else's text as plain words: no link, no mention, no line of its own, no more than is read."""
    return plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def tail_of(output: str) -> str:
    """The last lines of a log without its colours; of a line that was drawn over, what stood there last."""
    uncoloured = _ESCAPE_SEQUENCE.sub("", output)
    lines = [_UNSEEN.sub("\ufffd", line.rstrip("\r").rpartition("\r")[2]).rstrip() for line in uncoloured.split("\n")]
    return "\n".join([line for line in lines if line][-_TAIL_LINES:])


def _line(line: str | Cause) -> str:
    return escape(line) if isinstance(line, str) else f"• *{escape(line.name)}*: {escape(line.reason)}"


def _link(url: str, name: str) -> str:
    return f"<{url}|{name}>"


def _section(text: str) -> Block:
    return {"type": "section", "text": _words(text)}


def _context(text: str) -> Block:
    return {"type": "context", "elements": [_words(text)]}


def _words(text: str) -> Block:
    """`verbatim`: names of people and channels in somebody else's text are not made into mentions."""
    return {"type": "mrkdwn", "text": text[:2900], "verbatim": True}


def _preformatted(text: str) -> Block:
    """Rich text is taken as it stands, whatever is in it."""
    element = {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": text[-_MAX_TAIL:]}]}
    return {"type": "rich_text", "elements": [element]}
