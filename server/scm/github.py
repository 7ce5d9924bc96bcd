"""Pure: what GitHub's webhooks say, in our words."""

from dataclasses import replace
from typing import Any

from pipelines.runs.models import EventKind
from pipelines.runs.receiving import Incoming
from server.scm import fields
from server.scm.fields import BadPayload, Payload

_MAX_TITLE = 300
_MAX_NAME = 150
_MAX_MESSAGE = 64 * 1024
_STARTING_ACTIONS = frozenset({"opened", "synchronize", "reopened"})


def parse(event_name: str, payload: Any) -> Incoming:
    """What has happened; an event that we make nothing of is OTHER. Raises BadPayload for a malformed one."""
    if not isinstance(payload, dict):
        raise BadPayload("the payload is not a JSON object")
    if event_name == "push":
        return _push(payload)
    if event_name == "pull_request":
        return _pull_request(payload)
    kind = EventKind.PING if event_name == "ping" else EventKind.OTHER
    return Incoming(kind=kind, name=event_name, why=f"{event_name}: starts nothing", **_sender(payload))


def _push(payload: Payload) -> Incoming:
    ref = fields.ref(payload, "ref")
    before, after = fields.sha(payload, "before"), fields.sha(payload, "after")
    common: dict[str, Any] = {"name": "push", "ref": ref, "before": before, **_sender(payload)}
    if fields.is_none(after):
        return Incoming(kind=EventKind.DELETION, **common)
    head = fields.optional(payload, "head_commit")
    author = fields.optional(head, "author")
    is_tag = ref.startswith("refs/tags/")
    return Incoming(
        kind=EventKind.TAG if is_tag else EventKind.PUSH,
        # The `after` of an annotated tag is the tag, not its commit.
        sha=fields.sha(head, "id") if is_tag and head else after,
        title=fields.first_line(head, "message", _MAX_TITLE),
        message=fields.lines(head, "message", _MAX_MESSAGE),
        author=fields.text(author, "name", _MAX_NAME) or fields.text(author, "username", _MAX_NAME),
        **common,
    )


def _pull_request(payload: Payload) -> Incoming:
    request = fields.section(payload, "pull_request")
    action = fields.text(payload, "action", 30)
    if action not in _STARTING_ACTIONS:
        return _unstarting(payload, request, action)
    head = fields.section(request, "head")
    fork = _is_fork(request, head)
    return Incoming(
        kind=EventKind.PULL_REQUEST,
        name="pull_request",
        ref=_fork_ref(payload) if fork else fields.ref(head, "ref", prefix="refs/heads/"),
        sha=fields.sha(head, "sha"),
        before=fields.sha(payload, "before") if payload.get("before") is not None else "",
        target=fields.ref(fields.section(request, "base"), "ref", prefix="refs/heads/"),
        title=fields.first_line(request, "title", _MAX_TITLE),
        author=fields.text(fields.optional(request, "user"), "login", _MAX_NAME),
        fork=fork,
        **_sender(payload),
    )


def _unstarting(payload: Payload, request: Payload, action: str) -> Incoming:
    """A fork's request that was closed is told of: what waits for somebody to look at it need not wait any more."""
    why = f"pull request {action}: starts nothing"
    incoming = Incoming(kind=EventKind.OTHER, name="pull_request", why=why, **_sender(payload))
    if action != "closed" or not _is_fork(request, fields.section(request, "head")):
        return incoming
    return replace(incoming, fork=True, ref=_fork_ref(payload))


def _fork_ref(payload: Payload) -> str:
    """Where the project's own repository keeps a fork's commits: the fork itself is never asked."""
    return f"refs/pull/{fields.number(payload, 'number')}/head"


def _is_fork(request: Payload, head: Payload) -> bool:
    """By the repositories' numbers, which nobody can choose; a head whose repository is gone was a fork's."""
    base = fields.number(fields.section(fields.section(request, "base"), "repo"), "id")
    return head.get("repo") is None or fields.number(fields.section(head, "repo"), "id") != base


def _sender(payload: Payload) -> dict[str, Any]:
    sender = fields.optional(payload, "sender")
    return {
        "actor": fields.text(sender, "login", _MAX_NAME),
        "actor_id": fields.number(sender, "id") if sender else None,
    }
