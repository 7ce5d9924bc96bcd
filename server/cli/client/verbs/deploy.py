"""`slipway deploy`."""

from typing import Annotated

import typer

from server.cli.client import completion, deploywatch, preview, runwatch, terminal
from server.cli.client.connection import Document
from server.cli.client.errors import NotFound
from server.cli.client.options import Environment, Json, NoWait, Override, Project, Why, Yes
from server.cli.client.session import Session, session


def deploy(
    environment: Environment,
    release: Annotated[
        int | None, typer.Argument(min=1, autocompletion=completion.releases, help="The release; else the newest.")
    ] = None,
    why: Why = None,
    override: Override = None,
    yes: Yes = False,
    no_wait: NoWait = False,
    project: Project = None,
    as_json: Json = False,
) -> None:
    """Bring a release to an environment, and follow it host by host to its end.

    On a terminal you are shown what will change and asked first. The exit status is 1 unless the deploy succeeds,
    5 when a gate refuses it.
    """
    with session(project) as found:
        number = release or _newest(found)
        if not yes:
            preview.ask(found, environment, number)
        made = found.post(
            "environments", environment, "deploys",
            what=f"environment {environment} or release {number}", release=number, why=why, override=override,
        )  # fmt: skip
        finish(found, made, no_wait, as_json)


def finish(found: Session, made: Document, no_wait: bool, as_json: bool) -> None:
    """Follow a deploy that was made, or leave it; ends the command."""
    console = terminal.console(to_stderr=as_json)
    if no_wait:
        console.print(terminal.words(deploywatch.headline(found.project, made)))
        console.print(terminal.words(made.get("url"), "dim"))
    else:
        made = deploywatch.watch(found, made["number"], console)
    if as_json:
        terminal.put(made)
    raise typer.Exit(0 if no_wait else runwatch.exit_status(made))


def _newest(found: Session) -> int:
    newest = found.items("releases", limit=1)
    if not newest:
        raise NotFound(f"{found.project} has no release yet: a successful push makes one.")
    return int(newest[0]["number"])
