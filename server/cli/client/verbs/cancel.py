"""`slipway cancel`."""

from typing import Annotated

import typer
from rich.text import Text

from server.cli.client import terminal
from server.cli.client.errors import WrongUse
from server.cli.client.options import Json, Project, RunNumber
from server.cli.client.session import session


def cancel(
    number: RunNumber = None,
    deploy: Annotated[int | None, typer.Option("--deploy", "-d", min=1, help="Cancel this deploy instead.")] = None,
    project: Project = None,
    as_json: Json = False,
) -> None:
    """Cancel a run, or a deploy: what runs is stopped, what waits does not begin."""
    if (number is None) == (deploy is None):
        raise WrongUse("Which one? Say `slipway cancel 12` for a run, `slipway cancel --deploy 7` for a deploy.")
    kind, which = ("run", number) if deploy is None else ("deploy", deploy)
    with session(project) as found:
        found.post(f"{kind}s", str(which), "cancel", what=f"{kind} {which}")
        now = found.get(f"{kind}s", str(which))
    if as_json:
        terminal.put(now)
    else:
        terminal.console().print(Text(f"{kind} {which} ") + terminal.status(now["status"]))
