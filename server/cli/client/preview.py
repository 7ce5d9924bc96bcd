"""What a deploy or a rollback would change, shown and asked about before it is begun."""

import sys
from collections.abc import Iterable, Iterator
from typing import Any

import typer
from rich.text import Text

from server.cli.client import terminal, times
from server.cli.client.connection import Document
from server.cli.client.errors import Refused
from server.cli.client.session import Session

_COMMITS, _HOSTS = 10, 8


def ask(found: Session, environment: str, release: int) -> None:
    """On a terminal; a no aborts the command. A script is not asked."""
    if not _is_somebody_there():
        return
    what = f"environment {environment} or release {release}"
    shown = found.get("environments", environment, "preview", what=what, release=release)
    if shown["impossible"]:
        raise Refused(f"Release {release} cannot go to {environment}: {shown['impossible']}")
    _ask(of_deploy(shown), f"Deploy release {release} of {found.project} to {environment}?")


def ask_back(found: Session, place: Document, to: int | None) -> None:
    """As `ask`, of a rollback: to its own choice when no release is named."""
    if not _is_somebody_there():
        return
    way = place["rollback"]
    if to is None and way is None:
        raise Refused(f"There is no release that {place['name']} could go back to.")
    target = to or way["to"]
    lines = of_rollback(way, place) if way is not None and target == way["to"] else of_other_rollback(place, target)
    _ask(lines, f"Roll {place['name']} of {found.project} back to release {target}?")


def of_deploy(shown: Document) -> Iterator[str]:
    """What a preview tells, a sentence a line; the least welcome last, where it is read."""
    yield from _commits(shown)
    yield from _changes(shown["changes"])
    hosts = [name for wave in shown["waves"] for name in wave]
    if hosts:
        yield f"{len(hosts)} hosts, {shown['strategy']}: {_some(hosts, _HOSTS)}"
    if shown["usual_seconds"]:
        yield f"usually takes {times.length(shown['usual_seconds'])}"
    if shown["migrate"]:
        back = "; there is no way back from it" if shown["irreversible"] else ""
        yield f"migrates with {shown['migrate']}{back}"
    if shown["backwards"]:
        yield "this release is OLDER than what is live: `slipway rollback` also brings back its configuration"
    if shown["problem"]:
        yield shown["problem"]
    if shown["ahead"]:
        yield f"{shown['ahead']} deploys are before it"
    yield from (f"will wait: {refusal['reason']}" for refusal in shown["refusals"])


def of_rollback(way: Document, place: Document) -> Iterator[str]:
    """What the rollback's panel tells."""
    yield f"release {place['release']} is live; release {way['to']} is {way['title'] or 'without a title'}"
    yield f"{way['hosts']} hosts, {way['strategy']}"
    yield from _changes(way["changes"])
    if way["quarantines"]:
        yield f"afterwards quarantined: release {', '.join(map(str, way['quarantines']))}"
    if way["astray"]:
        yield f"hosts that may run something else: {_some(way['astray'], _HOSTS)}"
    if way["migrates"]:
        yield "its migration runs as well: nothing takes back what a newer one has done"
    if way["refused"]:
        yield f"will wait: {way['refused']}"


def of_other_rollback(place: Document, target: int) -> Iterator[str]:
    yield f"release {place['release']} is live; release {target} is not the one that Slipway would choose"


def _commits(shown: Document) -> Iterator[str]:
    for commit in shown["commits"][:_COMMITS]:
        yield f"{terminal.short_sha(commit['sha'])} {commit['title']} ({commit['author']})"
    left = shown["commits_left_out"] + max(0, len(shown["commits"]) - _COMMITS)
    if left:
        yield f"and {left} more commits"


def _changes(changes: Iterable[Any]) -> Iterator[str]:
    for change in changes:
        old, new = (("nothing" if change[side] is None else change[side]) for side in ("old", "new"))
        yield f"{change['name']}: {old} → {new}"


def _some(names: list[str], most: int) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _ask(lines: Iterable[str], question: str) -> None:
    console = terminal.console(to_stderr=True)
    for line in lines:
        console.print(Text("  ") + terminal.words(line))
    typer.confirm(question, abort=True, err=True)


def _is_somebody_there() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()
