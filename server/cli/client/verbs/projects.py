"""`slipway projects`."""

from rich.text import Text

from server.cli.client import terminal, times
from server.cli.client.connection import Document
from server.cli.client.options import Json, Limit
from server.cli.client.session import connect


def projects(limit: Limit = 100, as_json: Json = False) -> None:
    """List the projects that you see, with their newest run."""
    with connect() as server:
        found = server.items("projects", limit=limit)
    heads = ("project", "newest run", "", "when", "what")
    none = "You see no project yet: an owner adds you to a team, an operator adds projects."
    terminal.show_list(found, heads, _row, none, as_json=as_json)


def _row(project: Document) -> tuple[Text, ...]:
    run = next(iter(project.get("last_runs") or ()), None)
    if run is None:
        return (terminal.words(project["name"]), Text("–"), Text(), Text(), Text("no run yet", style="dim"))
    return (
        terminal.words(project["name"], "bold"),
        Text(str(run["number"])),
        terminal.status(run["status"]),
        Text(times.ago(run["finished_at"]), style="dim"),
        terminal.words(run.get("title")),
    )
