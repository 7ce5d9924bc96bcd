"""A deploy on the terminal: its hosts while it lasts, its verdict, the last lines of the host that failed."""

from rich.console import Console
from rich.text import Text

from server.cli.client import following, runwatch, terminal, times
from server.cli.client.connection import Document
from server.cli.client.progress import Part, follow
from server.cli.client.session import Session
from server.cli.controls import plain


def watch(found: Session, number: int, console: Console) -> Document:
    """Follow a deploy to its end; gives it as it ended."""
    states = following.states(lambda: found.deploy(number))
    if_stopped = f"Deploy {number} goes on: slipway watch --deploy {number}"
    deploy = follow(states, lambda state: (headline(found.project, state), hosts(state)), console, if_stopped)
    verdict(found, deploy, console)
    return deploy


def headline(project: str, deploy: Document) -> str:
    """What goes where; what it waits for, and the command or page that ends the waiting."""
    told = f"{project} deploy {deploy['number']}: release {deploy['release']} to {deploy['environment']}"
    reason = deploy.get("reason") or ""
    if deploy["status"] == "blocked":
        is_asking = deploy.get("waits_for") == "approval"
        where = f"slipway approve --deploy {deploy['number']}" if is_asking else deploy.get("url") or ""
        return f"{told} waits: {reason or deploy.get('waits_for') or 'somebody is asked'} ({where})"
    return f"{told} ({reason})" if reason and deploy["status"] not in terminal.FINAL else told


def hosts(deploy: Document) -> list[Part]:
    return [
        Part(
            each["name"],
            each["status"],
            times.seconds_between(each.get("started_at"), each.get("finished_at")),
            each.get("reason") or "",
        )
        for each in deploy.get("hosts", ())
    ]


def verdict(found: Session, deploy: Document, console: Console) -> None:
    for host in deploy.get("hosts", ()):
        if host["status"] in ("failed", "errored"):
            runwatch.show_end(found, {**host, "attempts": [host]}, console)
    console.print(runwatch.ending(f"deploy {deploy['number']}", deploy))
    if deploy.get("url"):
        console.print(Text(plain(str(deploy["url"])), style="dim"))
