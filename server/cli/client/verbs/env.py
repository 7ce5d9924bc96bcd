"""`slipway env`: the environments, what is live there, and their configuration."""

import sys
from typing import Annotated, Any

import typer
from rich.text import Text

from server.cli.client import terminal, times
from server.cli.client.connection import Document
from server.cli.client.errors import WrongUse
from server.cli.client.options import Environment, Json, Project, Why
from server.cli.client.session import Session, session
from server.cli.client.verbs.trigger import parameters

app = typer.Typer(help="Environments: what is live where, locks, and configuration.", no_args_is_help=True)

_HEADS = ("environment", "release", "status", "since", "")

Name = Annotated[str, typer.Argument(help="The secret's name, as the configuration uses it.")]


@app.command("list")
def every(project: Project = None, as_json: Json = False) -> None:
    """List the environments with the release that is live in each."""
    with session(project) as found:
        listed = found.items("environments", limit=100)
    none = f"{found.project} has no environment yet: an operator adds them in the admin."
    terminal.show_list(listed, _HEADS, _row, none, as_json=as_json)


@app.command()
def show(environment: Environment, project: Project = None, as_json: Json = False) -> None:
    """Show one environment: its release, its hosts, its locks and where a rollback would go."""
    with session(project) as found:
        place = _place(found, environment)
    _tell(place, as_json)
    if as_json:
        return
    console = terminal.console()
    if place["hosts"]:
        console.print(terminal.table(("host", "release", "health", ""), map(_host, place["hosts"])))
    console.print(terminal.words(place["page"], "dim"))


@app.command()
def get(environment: Environment, project: Project = None, as_json: Json = False) -> None:
    """Print the configuration as NAME=VALUE lines; of secrets the names alone, for owners."""
    with session(project) as found:
        held = found.get("environments", environment, "variables", what=f"environment {environment}")
    if as_json:
        return terminal.put(held)
    console = terminal.console()
    for name, value in sorted(held["values"].items()):
        console.print(Text(f"{name}={terminal.words(value) if value else ''}"))
    for name in held["secrets"] or ():
        console.print(Text(f"# {name} is a secret"))
    return None


@app.command("set")
def set_values(
    environment: Environment,
    values: Annotated[list[str], typer.Argument(help="NAME=VALUE; everybody in the project sees them.")],
    project: Project = None,
    as_json: Json = False,
) -> None:
    """Set values of the configuration: a new version, which the next deploy brings."""
    _change(environment, project, as_json, parameters(values), [])


@app.command()
def unset(
    environment: Environment,
    names: Annotated[list[str], typer.Argument(help="Names of values.")],
    project: Project = None,
    as_json: Json = False,
) -> None:
    """Take values out of the configuration: a new version, which the next deploy brings."""
    _change(environment, project, as_json, {}, names)


@app.command()
def secret(environment: Environment, name: Name, project: Project = None, as_json: Json = False) -> None:
    """Set a secret, typed unseen or from standard input; nobody can read it back."""
    value = sys.stdin.read().removesuffix("\n") if not sys.stdin.isatty() else _typed(name)
    if not value:
        raise WrongUse("A secret is not empty: `slipway env forget` removes one.")
    with session(project) as found:
        found.put("environments", environment, "secrets", name, what=f"environment {environment}", value=value)
    _say(f"{name} is set in {environment}; the next deploy brings it.", {"name": name, "is_set": True}, as_json)


@app.command()
def forget(environment: Environment, name: Name, project: Project = None, as_json: Json = False) -> None:
    """Remove a secret."""
    with session(project) as found:
        found.delete("environments", environment, "secrets", name, what=f"secret {name} in {environment}")
    _say(f"{name} is removed from {environment}.", {"name": name, "is_set": False}, as_json)


@app.command()
def lock(
    environment: Environment,
    reason: Annotated[str, typer.Option("--why", "-m", help="The reason, which everybody who is stopped reads.")],
    level: Annotated[str | None, typer.Option(help="stop, or warn: deploys go on, and are told.")] = None,
    until: Annotated[str | None, typer.Option(help="2026-11-30T18:00Z; else until it is unlocked.")] = None,
    project: Project = None,
    as_json: Json = False,
) -> None:
    """Keep deploys away from an environment."""
    _act(environment, ("lock",), project, as_json, reason=reason, level=level, until=until)


@app.command()
def unlock(
    environment: Environment,
    which: Annotated[int | None, typer.Option("--lock", help="The lock's id, where there are several.")] = None,
    why: Why = None,
    project: Project = None,
    as_json: Json = False,
) -> None:
    """Let deploys in again; somebody else's lock takes --why."""
    _act(environment, ("unlock",), project, as_json, lock=which, why=why)


@app.command()
def pause(environment: Environment, why: Why = None, project: Project = None, as_json: Json = False) -> None:
    """Let nothing go there until somebody resumes; what has begun goes on."""
    _act(environment, ("queue", "pause"), project, as_json, why=why)


@app.command()
def resume(environment: Environment, why: Why = None, project: Project = None, as_json: Json = False) -> None:
    """Let what waits go on; somebody else's pause takes --why."""
    _act(environment, ("queue", "resume"), project, as_json, why=why)


def standing(place: Document) -> list[str]:
    """What keeps deploys away, and what a rollback would bring."""
    told = [f"lock {each['id']} ({each['level']}) of {each['taken_by']}: {each['reason']}" for each in place["locks"]]
    told += [f"frozen until {each['until']}: {each['name']}" for each in place["freezes"]]
    if paused := place["paused"]:
        told.append(f"its queue was paused by {paused['by']}: {paused['because'] or 'no reason was given'}")
    if way := place.get("rollback"):
        told.append(f"slipway rollback {place['name']} brings release {way['to']} back: {way['title']}")
    return told


def _act(environment: str, act: tuple[str, ...], project: str | None, as_json: bool, **values: Any) -> None:
    with session(project) as found:
        place = found.post("environments", environment, *act, what=f"environment {environment}", **values)
    _tell(place, as_json)


def _tell(place: Document, as_json: bool) -> None:
    """How it stands."""
    if as_json:
        return terminal.put(place)
    console = terminal.console()
    console.print(terminal.table(_HEADS, [_row(place)]))
    for told in standing(place):
        console.print(terminal.words(told))
    return None


def _change(environment: str, project: str | None, as_json: bool, given: dict[str, str], removed: list[str]) -> None:
    """One new version with all that stays; when somebody has made one meanwhile, the server refuses."""
    what = f"environment {environment}"
    with session(project) as found:
        held = found.get("environments", environment, "variables", what=what)
        if missing := [name for name in removed if name not in held["values"]]:
            raise WrongUse(f"{environment} has no value {', '.join(missing)}.")
        values = {name: value for name, value in held["values"].items() if name not in removed} | given
        now = found.put(
            "environments", environment, "variables", what=what, values=values, based_on=held["version"] or None
        )
    told = f"Version {now['version']} of the configuration of {environment}; the next deploy brings it."
    _say(told, now, as_json)


def _typed(name: str) -> str:
    return str(typer.prompt(f"Value of {name}", hide_input=True, confirmation_prompt=True, err=True))


def _say(sentence: str, document: Any, as_json: bool) -> None:
    if as_json:
        terminal.put(document)
    else:
        terminal.console().print(terminal.words(sentence))


def _place(found: Session, environment: str) -> Document:
    place: Document = found.get("environments", environment, what=f"environment {environment}")
    return place


def _row(place: Document) -> tuple[Text, ...]:
    told = [f"locked: {each['reason']}" for each in place["locks"] if each["level"] == "stop"]
    told += ["its queue is paused"] if place["paused"] else []
    told += [f"frozen: {each['name']}" for each in place["freezes"]]
    return (
        terminal.words(place["name"], "bold"),
        terminal.words(place["release"]),
        terminal.status(place["status"]) if place["status"] else Text("–"),
        Text(times.ago(place["since"]), style="dim"),
        terminal.words("; ".join(told)) if told else Text(),
    )


def _host(host: Document) -> tuple[Text, ...]:
    health = {True: "healthy", False: "not healthy", None: "–"}[host["healthy"]]
    style = "bold red" if host["healthy"] is False else ""
    told = [*host["drift"], *([host["health"]] if host["healthy"] is False else [])]
    return (
        terminal.words(host["name"]),
        terminal.words(host["release"]),
        Text(health, style=style),
        terminal.words("; ".join(told)) if told else Text(),
    )
