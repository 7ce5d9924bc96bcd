"""`slipway login` and `slipway logout`."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from server.cli.client import credentials, terminal
from server.cli.client.connection import Connection
from server.cli.client.credentials import Credentials
from server.cli.client.errors import NotSignedIn, WrongUse
from server.cli.client.options import Json
from server.cli.controls import plain

TOKENS_PAGE = "/account/tokens/"


def login(
    server: Annotated[str | None, typer.Argument(envvar=credentials.URL, help="https://ci.example.com")] = None,
    token_stdin: Annotated[bool, typer.Option("--token-stdin", help="Read the token from standard input.")] = False,
    insecure_http: Annotated[bool, typer.Option("--insecure-http", help="Allow http to another machine.")] = False,
    as_json: Json = False,
) -> None:
    """Sign in to a server with a token of yours, which is kept for you alone in ~/.config/slipway."""
    if server is None and token_stdin:
        raise WrongUse("Which server? Say `slipway login https://ci.example.com --token-stdin`.")
    asked = server or typer.prompt("Address of the server", err=True)
    url = credentials.normal_url(asked, is_insecure=insecure_http)
    signed_in = Credentials(url, _read_token(url, from_stdin=token_stdin))
    with Connection(signed_in) as connection:
        me = connection.get("me")
    place = credentials.keyring_path()
    credentials.keep(place, signed_in)
    _say(me, url, place, as_json)


def logout(
    server: Annotated[
        str | None, typer.Argument(envvar=credentials.URL, help="Else the one that is asked now.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Forget a server's token on this machine; it stays good until it is revoked on its page."""
    place = credentials.keyring_path()
    url = credentials.normal_url(server, is_insecure=True) if server else credentials.read(place).default
    if not url or not credentials.forget(place, url):
        raise NotSignedIn(f"No token is kept for {url or 'any server'}.")
    if as_json:
        terminal.put({"server": url, "is_signed_in": False})
    else:
        told = f"The token for {url} is forgotten here. Revoke it at {url}{TOKENS_PAGE} if nobody needs it any more."
        terminal.console().print(told)


def _read_token(url: str, *, from_stdin: bool) -> str:
    """From where nobody else sees it: never from the arguments, which every user of the machine can list."""
    if from_stdin:
        token = sys.stdin.readline().strip()
    else:
        terminal.console(to_stderr=True).print(f"Make a token at {url}{TOKENS_PAGE}")
        token = typer.prompt("Token", hide_input=True, err=True).strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise WrongUse(f"That is no token; one begins with slip_ and is made at {url}{TOKENS_PAGE}")
    return str(token)


def _say(me: Any, url: str, place: Path, as_json: bool) -> None:
    if as_json:
        terminal.put({"server": url, **me})
        return
    what = f"{plain(me['name'])} ({me['kind']})"
    bounds = f" for project {plain(me['project'])}" if me.get("project") else ""
    scopes = ", ".join(map(plain, me.get("scopes") or ()))
    terminal.console().print(f"Signed in to {url} as {what}{bounds}, may {scopes}. The token is kept in {place}.")
