"""`slipway rerun`."""

from typing import Annotated

import typer

from server.cli.client.options import Json, Project, RunNumber
from server.cli.client.session import session
from server.cli.client.verbs import watch as watching
from server.cli.client.verbs.trigger import Watch, say_started


def rerun(
    number: RunNumber = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only what did not succeed; what did is taken over.")
    ] = False,
    watch: Watch = False,
    project: Project = None,
    as_json: Json = False,
) -> None:
    """Run the same commit again, as a run of its own."""
    with session(project) as found:
        which = number or found.newest_run()["number"]
        run = found.post("runs", which, "rerun", what=f"run {which}", only_failed=failed)
        if watch:
            watching.follow(found, run["number"], as_json)
    say_started(run, as_json)
