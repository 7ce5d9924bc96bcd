"""`slipway trigger`."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.text import Text

from server.cli.client import terminal
from server.cli.client.connection import Document
from server.cli.client.errors import WrongUse
from server.cli.client.options import Json, Project
from server.cli.client.session import session
from server.cli.client.verbs import watch as watching
from server.cli.controls import plain

Watch = Annotated[bool, typer.Option("--watch", "-w", help="Follow it to its end.")]


def trigger(
    ref: Annotated[
        str | None, typer.Option("--ref", "-r", help="A branch, a full ref; else the default branch.")
    ] = None,
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", help="NAME=VALUE; may be repeated.")
    ] = None,
    watch: Watch = False,
    project: Project = None,
    as_json: Json = False,
) -> None:
    """Start a run."""
    values = parameters(parameter or ())
    with session(project) as found:
        run = found.post("runs", ref=ref, parameters=values or None)
        if watch:
            watching.follow(found, run["number"], as_json)
    say_started(run, as_json)


def say_started(run: Document, as_json: bool) -> None:
    """A run that was made: its number and where it is seen."""
    if as_json:
        return terminal.put(run)
    console = terminal.console()
    console.print(Text(f"run {run['number']} ") + terminal.status(run["status"]))
    if run.get("url"):
        console.print(Text(plain(str(run["url"])), style="dim"))
    return console.print(Text(f"Follow it: slipway watch {run['number']}", style="dim"))


def parameters(given: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE, as a mapping; raises WrongUse."""
    pairs = [each.partition("=") for each in given]
    for name, mark, _ in pairs:
        if not mark or not name:
            raise WrongUse(f"{name!r} is no NAME=VALUE: say --parameter level=3.")
    return {name: value for name, _, value in pairs}
