"""`slipway releases`."""

from typing import Annotated

import typer
from rich.text import Text

from server.cli.client import completion, terminal, times
from server.cli.client.connection import Document
from server.cli.client.options import Json, Limit, Project
from server.cli.client.session import session


def releases(
    number: Annotated[
        int | None, typer.Argument(min=1, autocompletion=completion.releases, help="Only this one.")
    ] = None,
    limit: Limit = 20,
    project: Project = None,
    as_json: Json = False,
) -> None:
    """List what can be deployed, the newest first, or show one release."""
    with session(project) as found:
        if number is not None:
            return _show(found.get("releases", number, what=f"release {number}"), as_json)
        listed = found.items("releases", limit=limit)
    heads = ("release", "run", "ref", "commit", "when", "live in", "title")
    none = f"{found.project} has no release yet: a successful push makes one."
    return terminal.show_list(listed, heads, _row, none, as_json=as_json)


def _row(release: Document) -> tuple[Text, ...]:
    is_bad = release["quarantined_because"] is not None
    title = terminal.words(release["title"])
    return (
        Text(str(release["number"]), style="bold"),
        Text(str(release["run"])),
        terminal.words(terminal.short_ref(release["ref"])),
        terminal.words(terminal.short_sha(release["sha"]), "dim"),
        Text(times.ago(release["created_at"]), style="dim"),
        terminal.words(", ".join(release["live_in"])),
        Text("quarantined: ", style="bold red") + terminal.words(release["quarantined_because"]) if is_bad else title,
    )


def _show(release: Document, as_json: bool) -> None:
    if as_json:
        return terminal.put(release)
    rows = [(Text(name.replace("_", " "), style="dim"), _told(value)) for name, value in release.items()]
    return terminal.console().print(terminal.table(("", ""), rows))


def _told(value: object) -> Text:
    return terminal.words(", ".join(map(str, value)) if isinstance(value, list) else value)
