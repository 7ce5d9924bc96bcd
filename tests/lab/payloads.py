"""What GitHub says in a webhook: the fields a receiver may lean on, as its documentation shows them."""

from dataclasses import dataclass
from typing import Any

ZERO = "0" * 40
_SENDER_ID = 4711


@dataclass(frozen=True, slots=True)
class Origin:
    """A repository as the code host knows it: the number stays when the name changes."""

    id: int
    full_name: str
    clone_url: str
    default_branch: str = "main"


@dataclass(frozen=True, slots=True)
class Movement:
    """A ref that went from one commit to another; all zeros stand for "was not there"."""

    ref: str
    before: str
    after: str
    message: str = ""


def ping(origin: Origin) -> dict[str, Any]:
    """The first delivery of a new webhook."""
    hook = {"type": "Repository", "id": 1, "active": True, "events": ["push", "pull_request"]}
    return {"zen": "Keep it logically awesome.", "hook_id": 1, "hook": hook, **_frame(origin)}


def push(origin: Origin, movement: Movement) -> dict[str, Any]:
    """A push to a branch or tag; with `after` all zeros it is the ref's deletion."""
    gone = movement.after == ZERO
    head = None if gone else _commit(origin, movement)
    return {
        "ref": movement.ref,
        "before": movement.before,
        "after": movement.after,
        "created": movement.before == ZERO,
        "deleted": gone,
        "forced": False,
        "base_ref": None,
        "compare": f"https://github.example/{origin.full_name}/compare/x...y",
        "commits": [head] if head else [],
        "head_commit": head,
        "pusher": {"name": "alice", "email": "alice@example.org"},
        **_frame(origin),
    }


def delete(origin: Origin, ref: str) -> dict[str, Any]:
    """The `delete` event, which comes beside a push of zeros; it has the ref's short name."""
    kind = "tag" if ref.startswith("refs/tags/") else "branch"
    short = ref.split("/", 2)[2]
    return {"ref": short, "ref_type": kind, "pusher_type": "user", **_frame(origin)}


def pull_request(
    origin: Origin, branch: str, sha: str, base_sha: str, *, number: int = 1, action: str = "opened",
    head: Origin | None = None,
) -> dict[str, Any]:  # fmt: skip
    """A pull request into the default branch; `head` is the fork it comes from, else the same repository."""
    source = head or origin
    request = {
        "id": 9000 + number,
        "number": number,
        "state": "closed" if action == "closed" else "open",
        "title": f"Merge {branch}",
        "user": _user(),
        "draft": False,
        "merged": False,
        "head": _side(source, branch, sha),
        "base": _side(origin, origin.default_branch, base_sha),
        "author_association": "NONE" if head else "MEMBER",
    }
    return {"action": action, "number": number, "pull_request": request, **_frame(origin)}


def _frame(origin: Origin) -> dict[str, Any]:
    return {"repository": _repository(origin), "sender": _user()}


def _repository(origin: Origin) -> dict[str, Any]:
    owner, name = origin.full_name.split("/")
    return {
        "id": origin.id,
        "name": name,
        "full_name": origin.full_name,
        "private": False,
        "owner": {"login": owner, "id": 4242, "type": "Organization"},
        "html_url": f"https://github.example/{origin.full_name}",
        "clone_url": origin.clone_url,
        "default_branch": origin.default_branch,
        "fork": False,
    }


def _user() -> dict[str, Any]:
    return {"login": "alice", "id": _SENDER_ID, "type": "User", "site_admin": False}


def _commit(origin: Origin, movement: Movement) -> dict[str, Any]:
    person = {"name": "Alice", "email": "alice@example.org", "username": "alice"}
    return {
        "id": movement.after,
        "tree_id": movement.after[::-1],
        "distinct": True,
        "message": movement.message,
        "timestamp": "2026-01-05T10:00:00+00:00",
        "url": f"https://github.example/{origin.full_name}/commit/{movement.after}",
        "author": person,
        "committer": person,
        "added": [],
        "removed": [],
        "modified": [],
    }


def _side(origin: Origin, branch: str, sha: str) -> dict[str, Any]:
    label = f"{origin.full_name.split('/')[0]}:{branch}"
    return {"label": label, "ref": branch, "sha": sha, "user": _user(), "repo": _repository(origin)}
