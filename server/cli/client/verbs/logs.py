"""`slipway logs`."""

from typing import Annotated

import typer

from server.cli.client import completion, errors, loglines, runwatch
from server.cli.client.connection import Document
from server.cli.client.errors import NotFound, WrongUse
from server.cli.client.loglines import Source
from server.cli.client.options import Json, Project, RunNumber
from server.cli.client.session import Session, session


def logs(
    number: RunNumber = None,
    stage: Annotated[
        str | None, typer.Option("--stage", "-s", autocompletion=completion.stages, help="Only this one's.")
    ] = None,
    deploy: Annotated[int | None, typer.Option("--deploy", "-d", min=1, help="The logs of a deploy's hosts.")] = None,
    host: Annotated[str | None, typer.Option("--host", help="With --deploy: only this one's.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Stay until the end; the exit status is its verdict.")
    ] = False,
    project: Project = None,
    as_json: Json = False,
) -> None:
    """Print what the stages of a run wrote, or with -f what they write.

    Of one stage the lines are bare, of several each bears its stage. With --json each line is an object. Colours pass
    on a terminal alone, other control sequences never.
    """
    if deploy is not None and (number is not None or stage is not None):
        raise WrongUse("A run or a deploy: --deploy goes with --host, not with a run's number or --stage.")
    with session(project) as found:
        if deploy is not None:
            status = _put(found, _Deploy(found, deploy, host), follow, as_json)
        else:
            status = _put(found, _Run(found, number or found.newest_run()["number"], stage), follow, as_json)
    raise typer.Exit(status)


class _Run:
    """Where the lines of a run come from."""

    def __init__(self, found: Session, number: int, only: str | None) -> None:
        self._found, self._number, self._only = found, number, only

    def look(self) -> Document:
        run = self._found.run(self._number)
        return _narrowed(run, run["stages"], self._only, f"Run {self._number} has no stage")

    def sources(self, run: Document) -> list[Source]:
        stages = [stage for stage in run["stages"] if self._only in (None, stage["name"])]
        return [
            Source(stage["name"], attempt["number"], attempt["log"])
            for stage in stages
            for attempt in stage["attempts"]
            if attempt.get("log")
        ]

    def names(self, run: Document) -> list[str]:
        return [self._only] if self._only else [stage["name"] for stage in run["stages"]]


class _Deploy:
    """Where the lines of a deploy come from."""

    def __init__(self, found: Session, number: int, only: str | None) -> None:
        self._found, self._number, self._only = found, number, only

    def look(self) -> Document:
        deploy = self._found.deploy(self._number)
        return _narrowed(deploy, deploy["hosts"], self._only, f"Deploy {self._number} has no host")

    def sources(self, deploy: Document) -> list[Source]:
        hosts = [host for host in deploy["hosts"] if self._only in (None, host["name"])]
        return [Source(host["name"], 1, host["log"]) for host in hosts if host.get("log")]

    def names(self, deploy: Document) -> list[str]:
        return [self._only] if self._only else [host["name"] for host in deploy["hosts"]]


def _narrowed(whole: Document, parts: list[Document], only: str | None, complaint: str) -> Document:
    """With a part named, its status is the one that counts; raises NotFound when there are others alone."""
    if only is None or not parts:
        return whole
    for part in parts:
        if part["name"] == only:
            return {**whole, "status": part["status"]}
    raise NotFound(f"{complaint} {only!r}; it has {', '.join(part['name'] for part in parts)}.")


def _put(found: Session, origin: _Run | _Deploy, follow: bool, as_json: bool) -> int:
    if follow:
        return runwatch.exit_status(loglines.follow(found.server, origin, as_json))
    loglines.put(found.server, origin, as_json)
    return errors.FINE
