"""Pure: from words to what a chat channel reads."""

import re
from dataclasses import dataclass
from typing import Any

from server.notifications.words import Cause, Detail, Words

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


def chat(said: Words) -> ChatMessage:
    """The message itself: what has happened, and buttons to what can be done."""
    headline = escape(said.headline)
    shown = "\n".join([f"*{headline}*", *(_line(line) for line in said.lines)])
    links = [_link(said.url, escape(said.link))] if said.url else []
    notes = " · ".join([*(escape(note) for note in said.notes), *links])
    text = f"{headline}: {escape(said.cause)}" if said.cause else headline
    blocks = [_section(shown), *([_context(notes)] if notes else []), *_buttons(said)]
    return ChatMessage(text, tuple(blocks))


def whole(said: Words) -> ChatMessage:
    """As `chat`, with its details: where there is no thread for them."""
    message = chat(said)
    return ChatMessage(message.text, (*message.blocks, *_details(said)))


def step(said: Words, project: str) -> ChatMessage:
    """What a thread reads of a message that was brought up to date: what came now, and its details."""
    headline = escape(said.headline.removeprefix(f"{project}: "))
    text = f"{headline}: {escape(said.cause)}" if said.cause else headline
    return ChatMessage(text, (_section(text), *_details(said)))


def details(said: Words) -> ChatMessage | None:
    """What a thread reads of a message that stands above it already; None when there is no more to say."""
    if not said.details:
        return None
    return ChatMessage(" · ".join(escape(detail.title) for detail in said.details), _details(said))


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


def _details(said: Words) -> tuple[Block, ...]:
    return tuple(block for detail in said.details for block in _detail(detail))


def _detail(detail: Detail) -> list[Block]:
    lines = "\n".join([f"*{escape(detail.title)}*", *(f"• {escape(line)}" for line in detail.lines)])
    return [_section(lines), *([_preformatted(detail.output)] if detail.output.strip() else [])]


def _buttons(said: Words) -> list[Block]:
    """They are links: who presses one signs in and decides on the page."""
    if not said.buttons:
        return []
    elements = [
        {
            "type": "button",
            "text": {"type": "plain_text", "text": plain(button.label)[:75]},
            "url": button.url,
            "action_id": f"open-{number}",
        }
        for number, button in enumerate(said.buttons)
    ]
    return [{"type": "actions", "elements": elements}]


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
