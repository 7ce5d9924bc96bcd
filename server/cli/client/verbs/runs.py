"""`slipway runs`."""

from typing import Annotated

import typer
from rich.text import Text

from server.cli.client import runwatch, terminal, times
from server.cli.client.connection import Document
from server.cli.client.options import Json, Limit, Project, RunNumber
from server.cli.client.session import session


def runs(
    number: RunNumber = None,
    ref: Annotated[str | None, typer.Option("--ref", "-r", help="Only of this branch, or full ref.")] = None,
    status: Annotated[str | None, typer.Option(help="Only those that are running, failed …")] = None,
    limit: Limit = 20,
    project: Project = None,
    as_json: Json = False,
) -> None:
    """List the newest runs, or show one of them with its stages."""
    with session(project) as found:
        if number is not None:
            return _show(found.project, found.run(number), as_json)
        listed = found.items("runs", limit=limit, ref=ref, status=status)
    heads = ("run", "status", "ref", "commit", "when", "took", "title")
    none = f"{found.project} has no such run. `slipway trigger` starts one."
    return terminal.show_list(listed, heads, _row, none, as_json=as_json)


def _row(run: Document) -> tuple[Text, ...]:
    return (
        Text(str(run["number"]), style="bold"),
        terminal.status(run["status"]),
        terminal.words(terminal.short_ref(run.get("ref"))),
        terminal.words(terminal.short_sha(run.get("sha")), "dim"),
        Text(times.ago(run.get("created_at")), style="dim"),
        Text(times.length(times.seconds_between(run.get("started_at"), run.get("finished_at")))),
        terminal.words(run.get("title")),
    )


def _show(project: str, run: Document, as_json: bool) -> None:
    if as_json:
        return terminal.put(run)
    console = terminal.console()
    console.print(terminal.words(runwatch.headline(project, run), "bold"))
    rows = [
        (Text(part.name), terminal.status(part.status), Text(times.length(part.seconds)), terminal.words(part.note))
        for part in runwatch.stages(run)
    ]
    console.print(terminal.table(("stage", "status", "took", "why"), rows))
    console.print(Text(f"run {run['number']} ") + terminal.status(run["status"]))
    return console.print(terminal.words(run.get("url"), "dim"))
