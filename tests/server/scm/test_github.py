"""What GitHub's payloads become."""

from typing import Any

import pytest

from pipelines.runs.models import EventKind
from server.scm.fields import BadPayload
from server.scm.github import parse
from tests.lab import payloads
from tests.lab.payloads import ZERO, Movement, Origin

SHOP = Origin(7, "acme/shop", "https://git.example/acme/shop.git")
FORK = Origin(8, "mallory/shop", "https://git.example/mallory/shop.git")
OLD, NEW = "a" * 40, "b" * 40


def push(ref: str = "refs/heads/main", message: str = "Add a lamp", **changes: Any) -> dict[str, Any]:
    return {**payloads.push(SHOP, Movement(ref, OLD, NEW, message)), **changes}


def test_a_push_names_the_full_ref_the_commit_and_who() -> None:
    told = parse("push", push())
    assert (told.kind, told.ref, told.sha, told.before) == (EventKind.PUSH, "refs/heads/main", NEW, OLD)
    assert (told.title, told.author, told.actor, told.actor_id) == ("Add a lamp", "Alice", "alice", 4711)


def test_only_the_first_line_of_a_message_is_the_title() -> None:
    assert parse("push", push(message="\nAdd a lamp\n\nIt shines.")).title == "Add a lamp"


def test_an_annotated_tag_stands_for_its_commit() -> None:
    tag_object = "c" * 40
    told = parse("push", push("refs/tags/v1.2.3", after=tag_object))
    assert (told.kind, told.ref, told.sha) == (EventKind.TAG, "refs/tags/v1.2.3", NEW)


def test_a_tag_without_a_commit_stands_for_what_was_pushed() -> None:
    assert parse("push", push("refs/tags/v1", head_commit=None)).sha == NEW


def test_a_branch_that_looks_like_a_tag_is_a_branch() -> None:
    assert parse("push", push("refs/heads/x-v1.2.3")).kind == EventKind.PUSH
    assert parse("push", push("refs/heads/refs/tags/v1")).kind == EventKind.PUSH


def test_a_ref_that_goes_starts_nothing() -> None:
    told = parse("push", payloads.push(SHOP, Movement("refs/heads/old", OLD, ZERO)))
    assert (told.kind, told.sha, told.before) == (EventKind.DELETION, "", OLD)


@pytest.mark.parametrize("action", ["opened", "synchronize", "reopened"])
def test_a_pull_request_is_its_heads_branch_and_commit(action: str) -> None:
    told = parse("pull_request", payloads.pull_request(SHOP, "lamp", NEW, OLD, action=action))
    assert (told.kind, told.ref, told.sha, told.fork) == (EventKind.PULL_REQUEST, "refs/heads/lamp", NEW, False)


def test_a_pull_request_from_another_repository_is_a_forks() -> None:
    assert parse("pull_request", payloads.pull_request(SHOP, "lamp", NEW, OLD, head=FORK)).fork


def test_a_fork_that_takes_the_repositorys_name_is_still_a_fork() -> None:
    disguised = Origin(FORK.id, SHOP.full_name, SHOP.clone_url)
    assert parse("pull_request", payloads.pull_request(SHOP, "lamp", NEW, OLD, head=disguised)).fork


def test_a_head_whose_repository_is_gone_is_a_forks() -> None:
    payload = payloads.pull_request(SHOP, "lamp", NEW, OLD)
    payload["pull_request"]["head"]["repo"] = None
    assert parse("pull_request", payload).fork


def test_a_forks_request_is_known_by_where_the_project_itself_keeps_it() -> None:
    told = parse("pull_request", payloads.pull_request(SHOP, "lamp", NEW, OLD, head=FORK, number=12))
    assert (told.ref, told.sha, told.target) == ("refs/pull/12/head", NEW, "refs/heads/main")


def test_a_forks_request_that_is_closed_is_told_of() -> None:
    told = parse("pull_request", payloads.pull_request(SHOP, "lamp", NEW, OLD, head=FORK, number=12, action="closed"))
    assert (told.kind, told.ref, told.fork) == (EventKind.OTHER, "refs/pull/12/head", True)


@pytest.mark.parametrize("number", [None, "7", -1, True, 2**70])
def test_a_forks_request_without_a_number_is_refused(number: object) -> None:
    payload = {**payloads.pull_request(SHOP, "lamp", NEW, OLD, head=FORK), "number": number}
    with pytest.raises(BadPayload):
        parse("pull_request", payload)


def test_the_whole_message_is_kept_with_its_lines_and_nothing_that_cannot_be_seen() -> None:
    told = parse("push", push(message="Add a lamp\r\n\nIt shines.\x1b[2J\n\n[skip ci]\n"))
    assert told.message == "Add a lamp\n\nIt shines. [2J\n\n[skip ci]"


def test_a_message_is_kept_up_to_a_limit() -> None:
    assert len(parse("push", push(message="x" * 200_000)).message) == 64 * 1024


@pytest.mark.parametrize("action", ["closed", "labeled", "edited", "review_requested"])
def test_what_else_happens_to_a_pull_request_starts_nothing(action: str) -> None:
    assert parse("pull_request", payloads.pull_request(SHOP, "lamp", NEW, OLD, action=action)).kind == EventKind.OTHER


def test_ping_and_unknown_events_are_understood_as_such() -> None:
    assert parse("ping", payloads.ping(SHOP)).kind == EventKind.PING
    told = parse("star", {"action": "created", "sender": {"login": "bob", "id": 5}})
    assert (told.kind, told.name, told.actor, told.actor_id) == (EventKind.OTHER, "star", "bob", 5)


def test_what_cannot_be_seen_is_taken_out_of_texts() -> None:
    told = parse("push", push(message="safe\u202e\x1b[2J\x00 text\x9b"))
    assert told.title == "safe  [2J  text"


def test_long_texts_are_cut() -> None:
    assert len(parse("push", push(message="x" * 5000)).title) == 300


@pytest.mark.parametrize(
    "changes",
    [
        {"ref": None},
        {"ref": 7},
        {"ref": "main"},
        {"ref": "refs/heads/"},
        {"ref": "refs/heads/-rf"},
        {"ref": "refs/heads/a..b"},
        {"ref": "refs/heads/a b"},
        {"ref": "refs/heads/a\nb"},
        {"ref": "refs/heads/a\n"},
        {"ref": "refs/heads/a.lock"},
        {"ref": "refs/heads/a:b"},
        {"ref": "refs/pull/1/head"},
        {"ref": "refs/heads/" + "x" * 255},
        {"after": "HEAD"},
        {"after": NEW.upper()},
        {"after": NEW + "\n"},
        {"after": ["a"]},
        {"before": None},
        {"head_commit": "text"},
        {"head_commit": {"message": 5}},
        {"head_commit": {"message": "m", "author": "Alice"}},
        {"sender": []},
        {"sender": {"login": "alice", "id": "4711"}},
        {"sender": {"login": "alice", "id": True}},
        {"sender": {"login": "alice", "id": 2**70}},
    ],
)
def test_a_push_with_a_bad_field_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BadPayload):
        parse("push", push(**changes))


@pytest.mark.parametrize("payload", [None, [], "text", 5, {}])
def test_what_is_no_object_with_fields_is_refused(payload: object) -> None:
    with pytest.raises(BadPayload):
        parse("push", payload)
    with pytest.raises(BadPayload):
        parse("pull_request", payload)


@pytest.mark.parametrize("path", [("head",), ("base",), ("base", "repo"), ("head", "sha"), ("head", "ref")])
def test_a_pull_request_that_lacks_a_field_is_refused(path: tuple[str, ...]) -> None:
    payload = payloads.pull_request(SHOP, "lamp", NEW, OLD)
    inner = payload["pull_request"]
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    with pytest.raises(BadPayload):
        parse("pull_request", payload)
