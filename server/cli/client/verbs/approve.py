"""`slipway approve`."""

from typing import Annotated

import typer
from rich.text import Text

from server.cli.client import deploywatch, terminal
from server.cli.client.connection import Document
from server.cli.client.errors import NotFound, Refused, WrongUse
from server.cli.client.options import Json, Project, RunNumber
from server.cli.client.session import Session, session
from server.cli.client.verbs.trigger import parameters

_SHORTEST_COMMIT = 7


def approve(
    number: RunNumber = None,
    stage: Annotated[str | None, typer.Argument(help="The stage; else the one that waits.")] = None,
    deploy: Annotated[int | None, typer.Option("--deploy", "-d", min=1, help="A deploy that waits, instead.")] = None,
    refuse: Annotated[str | None, typer.Option("--refuse", help="Say no, and why.")] = None,
    answer: Annotated[
        list[str] | None, typer.Option("--answer", "-a", help="NAME=VALUE: what the stage asks; may be repeated.")
    ] = None,
    let_in: Annotated[
        str | None,
        typer.Option("--let-in", metavar="COMMIT", help="Let a fork's code run, at the commit you looked at."),
    ] = None,
    project: Project = None,
    as_json: Json = False,
) -> None:
    """Give your word for a stage or a deploy that waits for it, or refuse it."""
    if (number is None) == (deploy is None):
        raise WrongUse("Which one? Say `slipway approve 12` for a run, `slipway approve --deploy 7` for a deploy.")
    if let_in is not None and (refuse is not None or stage is not None or number is None):
        raise WrongUse("--let-in takes a run alone: `slipway approve 12 --let-in 4f2a9c1`.")
    with session(project) as found:
        if number is None:
            now = _deploy(found, deploy or 0, refuse)
        elif let_in is not None:
            now = _let_in(found, number, let_in)
        else:
            now = _stage(found, number, stage, refuse, parameters(answer or ()))
    if as_json:
        return terminal.put(now)
    word = "refused" if refuse is not None else "approved"
    kind = "run" if deploy is None else "deploy"
    return terminal.console().print(Text(f"{word}: {kind} {now['number']} ") + terminal.status(now["status"]))


def _deploy(found: Session, number: int, refuse: str | None) -> Document:
    """What is agreed to is the plan that was shown here: with another one the server refuses."""
    what = f"deploy {number}"
    deploy = found.deploy(number)
    terminal.console(to_stderr=True).print(terminal.words(deploywatch.headline(found.project, deploy)))
    if refuse is not None:
        found.post("deploys", number, "refuse", what=what, why=refuse)
    else:
        found.post("deploys", number, "approve", what=what, plan=deploy["plan"])
    return found.deploy(number)


def _let_in(found: Session, number: int, commit: str) -> Document:
    """What is let in is what was looked at: a newer commit is refused, here or by the server."""
    sha = str(found.run(number)["sha"])
    if len(commit) < _SHORTEST_COMMIT or not sha.startswith(commit.lower()):
        raise Refused(f"Run {number} is of commit {sha}, not {commit!r}: look at that one, then name it.")
    found.post("runs", number, "let-in", what=f"run {number}", sha=sha)
    return found.run(number)


def _stage(found: Session, number: int, stage: str | None, refuse: str | None, answers: dict[str, str]) -> Document:
    name = stage or _waiting(found.run(number))
    what = f"stage {name} in run {number}"
    if refuse is None:
        found.post("runs", number, "stages", name, "approve", what=what, answers=answers)
    else:
        found.post("runs", number, "stages", name, "refuse", what=what, why=refuse)
    return found.run(number)


def _waiting(run: Document) -> str:
    """The one stage that waits for a word; raises NotFound for none, WrongUse for several."""
    names = [str(each["name"]) for each in run["stages"] if each["status"] == "blocked"]
    if len(names) == 1:
        return names[0]
    if names:
        raise WrongUse(f"Several stages wait: {', '.join(names)}. Name one: slipway approve {run['number']} {names[0]}")
    hint = f" It is a fork's: look at {run['sha']}, then say --let-in with it." if run["status"] == "blocked" else ""
    raise NotFound(f"No stage of run {run['number']} waits for anybody's word.{hint}")
