"""Pure: from what happened to what a chat channel reads."""

import re
from dataclasses import dataclass
from typing import Any

Block = dict[str, Any]

_MAX_FIELD = 300  # characters of one text of somebody else's
_MAX_TAIL = 2500  # characters of a log's end
_TAIL_LINES = 15
_MAX_HOSTS = 10  # named one by one

_ESCAPE_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """`text` is what a notification shows, `blocks` what the channel shows."""

    text: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Cause:
    """The stage or host that did not succeed, and why."""

    name: str
    reason: str


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


@dataclass(frozen=True, slots=True)
class EndedDeploy:
    """A deploy or rollback that has its verdict; `undone_by` is the rollback that follows by itself."""

    project: str
    environment: str
    number: int
    status: str
    is_rollback: bool
    release: int
    short_sha: str
    title: str
    asked_by: str
    why: str
    reason: str
    hosts: int
    bad_hosts: tuple[Cause, ...]
    undone_by: int | None
    undone_to: int | None
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


def ended_deploy(deploy: EndedDeploy) -> ChatMessage:
    headline = _deploy_headline(deploy)
    lines = [f"*{headline}*", f"{deploy.short_sha} {escape(deploy.title)}"]
    if deploy.reason:
        lines.append(escape(deploy.reason))
    lines += [f"• *{escape(host.name)}*: {escape(host.reason)}" for host in deploy.bad_hosts[:_MAX_HOSTS]]
    if len(deploy.bad_hosts) > _MAX_HOSTS:
        lines.append(f"• and {len(deploy.bad_hosts) - _MAX_HOSTS} hosts more")
    return ChatMessage(_with_cause(headline, deploy), (_section("\n".join(lines)), _context(_asked(deploy))))


def escape(text: str) -> str:
    """Somebody else's text as plain words: no link, no mention, no line of its own, no more than is read."""
    seen = " ".join(_UNSEEN.sub(" ", text[: 4 * _MAX_FIELD]).split())
    cut = seen if len(seen) <= _MAX_FIELD else seen[: _MAX_FIELD - 1] + "…"
    return cut.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def tail_of(output: str) -> str:
    """The last lines of a log without its colours; of a line that was drawn over, what stood there last."""
    plain = _ESCAPE_SEQUENCE.sub("", output)
    lines = [_UNSEEN.sub("\ufffd", line.rstrip("\r").rpartition("\r")[2]).rstrip() for line in plain.split("\n")]
    return "\n".join([line for line in lines if line][-_TAIL_LINES:])


def _deploy_headline(deploy: EndedDeploy) -> str:
    place = f"{escape(deploy.project)}: {escape(deploy.environment)}"
    if deploy.is_rollback and deploy.status == "succeeded":
        return f"{place} is rolled back to release {deploy.release}"
    if deploy.status == "succeeded":
        return f"{place} runs release {deploy.release}, on {_count(deploy.hosts)}"
    what = "rollback" if deploy.is_rollback else "deploy"
    return f"{place}: {what} {deploy.number} of release {deploy.release} {deploy.status}"


def _with_cause(headline: str, deploy: EndedDeploy) -> str:
    cause = next((f"{host.name}: {host.reason}" for host in deploy.bad_hosts), deploy.reason)
    return headline if deploy.status == "succeeded" or not cause else f"{headline}: {escape(cause)}"


def _asked(deploy: EndedDeploy) -> str:
    who = f"asked for by {escape(deploy.asked_by)}" if deploy.asked_by else "by Slipway itself"
    why = f", {escape(deploy.why)}" if deploy.why else ""
    follows = f" · deploy {deploy.undone_by} brings release {deploy.undone_to} back" if deploy.undone_by else ""
    return f"{who}{why}{follows} · {_link(deploy.url, f'Deploy {deploy.number}')}"


def _count(hosts: int) -> str:
    return "1 host" if hosts == 1 else f"{hosts} hosts"


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
