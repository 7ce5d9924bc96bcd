"""The options that many commands share."""

from typing import Annotated

import typer

from server.cli.client import completion

Project = Annotated[
    str | None,
    typer.Option(
        "--project", "-P", envvar="SLIPWAY_PROJECT", autocompletion=completion.projects,
        help="The project; else the one that this directory's repository belongs to.",
    ),
]  # fmt: skip
Json = Annotated[bool, typer.Option("--json", help="The machine form on standard output, and nothing else there.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="So many at most.")]
RunNumber = Annotated[
    int | None, typer.Argument(min=1, autocompletion=completion.runs, help="The run's number; else the newest one's.")
]
Environment = Annotated[str, typer.Argument(autocompletion=completion.environments, help="The environment's name.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Come back at once instead of following it to its end.")]
Why = Annotated[str | None, typer.Option("--why", "-m", help="The reason, for those who read the record.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")]
Override = Annotated[
    str | None, typer.Option("--override", metavar="REASON", help="In spite of locks and freezes; takes an owner.")
]
