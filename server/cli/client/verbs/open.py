"""`slipway open`."""

import webbrowser
from typing import Annotated
from urllib.parse import urlsplit

import typer

from server.cli.client import completion, terminal
from server.cli.client.errors import Unreachable, WrongUse
from server.cli.client.options import Json, Project, RunNumber
from server.cli.client.session import Session, session
from server.cli.controls import plain


def open_page(
    number: RunNumber = None,
    deploy: Annotated[int | None, typer.Option("--deploy", "-d", min=1, help="The page of this deploy.")] = None,
    environment: Annotated[
        str | None, typer.Option("--environment", "-e", autocompletion=completion.environments, help="… of this one.")
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
    project: Project = None,
    as_json: Json = False,
) -> None:
    """Open the page of the project, a run, a deploy or an environment in the browser, and print its address."""
    if sum(each is not None for each in (number, deploy, environment)) > 1:
        raise WrongUse("One page at a time: a run, --deploy or --environment.")
    with session(project) as found:
        url = _checked(_address(found, number, deploy, environment), found.server.url)
    if as_json:
        return terminal.put({"url": url})
    terminal.console().print(url)
    if not no_browser and not webbrowser.open(url):
        terminal.console(to_stderr=True).print("No browser could be started: open the address yourself.")
    return None


def _address(found: Session, number: int | None, deploy: int | None, environment: str | None) -> str:
    if number is not None:
        return str(found.run(number)["url"])
    if deploy is not None:
        return str(found.deploy(deploy)["url"])
    if environment is not None:
        return str(found.get("environments", environment, what=f"environment {environment}")["page"])
    return str(found.get()["url"])


def _checked(url: str, server: str) -> str:
    """Only pages are opened, whatever the server says; raises Unreachable for anything else."""
    if urlsplit(url).scheme not in ("http", "https") or plain(url) != url:
        raise Unreachable(f"{server} named {plain(url)[:200]!r} as the page, which is no web address.")
    return url
