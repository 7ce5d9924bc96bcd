"""`slipway watch`."""

from typing import Annotated

import typer

from server.cli.client import deploywatch, runwatch, terminal
from server.cli.client.connection import Document
from server.cli.client.errors import WrongUse
from server.cli.client.options import Json, Project, RunNumber
from server.cli.client.session import Session, session


def watch(
    number: RunNumber = None,
    deploy: Annotated[int | None, typer.Option("--deploy", "-d", min=1, help="Watch this deploy instead.")] = None,
    project: Project = None,
    as_json: Json = False,
) -> None:
    """Follow a run or a deploy to its end; the exit status is 1 unless it succeeds.

    With --json it is printed as it ended. Ctrl-C stops the watching, never what is watched.
    """
    if number is not None and deploy is not None:
        raise WrongUse("One at a time: a run, or --deploy.")
    with session(project) as found:
        if deploy is None:
            follow(found, number or found.newest_run()["number"], as_json)
        else:
            _end(deploywatch.watch(found, deploy, terminal.console(to_stderr=as_json)), as_json)


def follow(found: Session, number: int, as_json: bool) -> None:
    """Watch a run and end the command with its verdict."""
    _end(runwatch.watch(found, number, terminal.console(to_stderr=as_json)), as_json)


def _end(document: Document, as_json: bool) -> None:
    if as_json:
        terminal.put(document)
    raise typer.Exit(runwatch.exit_status(document))
