"""`slipway rollback`."""

from typing import Annotated

import typer

from server.cli.client import completion, preview
from server.cli.client.options import Environment, Json, NoWait, Override, Project, Why, Yes
from server.cli.client.session import session
from server.cli.client.verbs.deploy import finish


def rollback(
    environment: Environment,
    to: Annotated[
        int | None, typer.Option("--to", min=1, autocompletion=completion.releases, help="Else the last good release.")
    ] = None,
    why: Why = None,
    override: Override = None,
    yes: Yes = False,
    no_wait: NoWait = False,
    project: Project = None,
    as_json: Json = False,
) -> None:
    """Bring an earlier release back, with the configuration it had, and follow it host by host.

    On a terminal you are shown what will change and asked first. When something else is live by then, or a gate
    refuses, the exit status is 5.
    """
    with session(project) as found:
        what = f"environment {environment}" + (f" or release {to}" if to else "")
        place = found.get("environments", environment, what=f"environment {environment}")
        if not yes:
            preview.ask_back(found, place, to)
        made = found.post(
            "environments", environment, "rollback",
            what=what, to=to, live=place["release"], why=why, override=override,
        )  # fmt: skip
        finish(found, made, no_wait, as_json)
