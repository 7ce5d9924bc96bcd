"""Names from the server for the shell's Tab key: soon, or none; and never a word about why."""

from collections.abc import Callable, Iterable
from contextlib import suppress

import typer

from server.cli.client.connection import Connection, Document
from server.cli.client.session import Session, connect, session
from server.cli.controls import plain

_TIMEOUT_SECONDS = 1.5
_MOST = 100

Offer = tuple[str, str]


def projects(ctx: typer.Context, incomplete: str) -> list[Offer]:
    return _offered(incomplete, _projects)


def environments(ctx: typer.Context, incomplete: str) -> list[Offer]:
    return _offered(
        incomplete, lambda: _of_project(ctx, lambda found: found.items("environments", limit=_MOST), "name")
    )


def runs(ctx: typer.Context, incomplete: str) -> list[Offer]:
    return _offered(incomplete, lambda: _of_project(ctx, lambda found: found.items("runs", limit=20), "number"))


def stages(ctx: typer.Context, incomplete: str) -> list[Offer]:
    return _offered(incomplete, lambda: _of_project(ctx, lambda found: _run(found, ctx)["stages"], "name"))


def releases(ctx: typer.Context, incomplete: str) -> list[Offer]:
    return _offered(incomplete, lambda: _of_project(ctx, lambda found: found.items("releases", limit=20), "number"))


def _run(found: Session, ctx: typer.Context) -> Document:
    number = ctx.params.get("number")
    return found.run(number) if number else found.newest_run()


def _projects() -> list[Offer]:
    with connect(_TIMEOUT_SECONDS) as server:
        return [_offer(each, "name") for each in _all_projects(server)]


def _all_projects(server: Connection) -> list[Document]:
    return server.items("projects", limit=_MOST)


def _of_project(ctx: typer.Context, ask: Callable[[Session], list[Document]], key: str) -> list[Offer]:
    with session(ctx.params.get("project"), _TIMEOUT_SECONDS) as found:
        return [_offer(each, key) for each in ask(found)]


def _offer(document: Document, key: str) -> Offer:
    told = document.get("title") or document.get("status") or ""
    return plain(str(document[key])), " ".join(plain(str(told)).split())[:60]


def _offered(incomplete: str, ask: Callable[[], Iterable[Offer]]) -> list[Offer]:
    with suppress(Exception):  # whatever it is, somebody is typing: nothing may come between
        return [offer for offer in ask() if offer[0].startswith(incomplete)]
    return []
