"""A run on the terminal: its stages while it lasts, its verdict, the last lines of what failed."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from server.cli.client import errors, following, logstream, terminal, times
from server.cli.client.connection import Document
from server.cli.client.errors import ClientError
from server.cli.client.progress import Part, follow
from server.cli.client.session import Session
from server.cli.controls import coloured, last_state, plain

LAST_LINES = 20
_BROKEN = ("failed", "errored")


def watch(found: Session, number: int, console: Console) -> Document:
    """Follow a run to its end; gives it as it ended."""
    states = following.states(lambda: found.run(number))
    if_stopped = f"Run {number} goes on: slipway watch {number}"
    run = follow(states, lambda state: (headline(found.project, state), stages(state)), console, if_stopped)
    verdict(found, run, console)
    return run


def exit_status(document: Document) -> int:
    """Of a run or deploy that is over."""
    return errors.FINE if document["status"] == "succeeded" else errors.FAILED


def headline(project: str, run: Document) -> str:
    where = " ".join(filter(None, (terminal.short_ref(run.get("ref")), terminal.short_sha(run.get("sha")))))
    waits = f" ({run['reason']})" if run.get("reason") and run["status"] not in terminal.FINAL else ""
    return f"{project} run {run['number']} on {where}: {run.get('title') or 'no title'}{waits}"


def stages(run: Document) -> list[Part]:
    return [
        Part(each["name"], each["status"], _seconds(each), _note(run, each))
        for each in run.get("stages", ())
    ]  # fmt: skip


def verdict(found: Session, run: Document, console: Console) -> None:
    """How it ended, why, and where one can read on."""
    for stage in run.get("stages", ()):
        if stage["status"] in _BROKEN:
            show_end(found, stage, console)
    for problem in run.get("problems") or ():
        console.print(terminal.words(problem, "red"))
    console.print(ending(f"run {run['number']}", run))
    if release := run.get("release"):
        console.print(Text(f"It made release {release}."))
    if run.get("url"):
        console.print(Text(plain(str(run["url"])), style="dim"))


def ending(name: str, document: Document) -> Text:
    """How a run or deploy ended, after how long, and why."""
    lasted = times.length(_seconds(document))
    told = Text(f"{name} ") + terminal.status(document["status"]) + Text(f" after {lasted}")
    return told + Text(": ") + terminal.words(document["reason"]) if document.get("reason") else told


def show_end(found: Session, stage: Document, console: Console) -> None:
    """The last lines of a stage's newest attempt, under its name and reason."""
    told = Text(plain(stage["name"]), style="bold") + Text(" ") + terminal.status(stage["status"])
    if stage.get("reason"):
        told = told + Text(": ") + terminal.words(stage["reason"])
    console.print(told)
    log_id = newest_log(stage)
    for line in _end_of(found, log_id) if log_id else ():
        console.print(Text("  │ ", style="dim") + Text.from_ansi(coloured(last_state(line))))


def newest_log(stage: Document) -> int | None:
    """The log of the newest attempt that has one."""
    logs = [each["log"] for each in stage.get("attempts", ()) if each.get("log")]
    return logs[-1] if logs else None


def _end_of(found: Session, log_id: int) -> Sequence[str]:
    try:
        return logstream.last_lines(found.server, log_id, LAST_LINES)
    except ClientError as error:  # the verdict counts, its lines can be read later
        return [f"its log cannot be shown: {error}"]


def _note(run: Document, stage: Document) -> str:
    if stage["status"] == "blocked":
        return f"{stage.get('reason') or 'waits'}; slipway approve {run['number']} {stage['name']}"
    return str(stage.get("reason") or "")


def _seconds(document: Document) -> float | None:
    return times.seconds_between(document.get("started_at"), document.get("finished_at"))
