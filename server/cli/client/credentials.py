"""Which server is asked and with which token: from the environment, else from a file that only its owner reads."""

import json
import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from server.cli.client.errors import NotSignedIn, WrongUse

URL, TOKEN, INSECURE = "SLIPWAY_URL", "SLIPWAY_TOKEN", "SLIPWAY_INSECURE_HTTP"
_HOW = f"run `slipway login`, or set {URL} and {TOKEN}"


@dataclass(frozen=True, slots=True)
class Credentials:
    """`url` has no slash at its end. The token is for that server alone."""

    url: str
    token: str

    def __repr__(self) -> str:
        return f"Credentials({self.url!r}, token kept back)"


@dataclass(frozen=True, slots=True)
class Keyring:
    """The tokens of each server that was signed in to, and the server that is asked when none is named."""

    default: str
    tokens: Mapping[str, str]
    insecure: frozenset[str] = frozenset()


def current(environ: Mapping[str, str] = os.environ) -> Credentials:
    """Those that a command uses; raises NotSignedIn when there are none, WrongUse for an address that is none."""
    keyring = read(keyring_path(environ))
    if named := environ.get(URL, ""):
        url = normal_url(named, is_insecure=bool(environ.get(INSECURE)) or _without_slash(named) in keyring.insecure)
    else:
        url = keyring.default
    if not url:
        raise NotSignedIn(f"You are signed in to no server: {_HOW}.")
    token = environ.get(TOKEN, "").strip() or keyring.tokens.get(url, "")
    if not token:
        raise NotSignedIn(f"There is no token for {url}: {_HOW}.")
    return Credentials(url, token)


def normal_url(text: str, *, is_insecure: bool = False) -> str:
    """The address of a server as it is compared and kept; raises WrongUse for one that is none or would show tokens."""
    text = text.strip()
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise WrongUse(f"{text!r} is not an address: {error}.") from error
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc or parts.query or parts.fragment:
        raise WrongUse(f"{text!r} is not the address of a server; one looks like https://ci.example.com")
    if parts.scheme == "http" and not is_insecure and not is_loopback(host):
        raise WrongUse(
            f"{text} would show your token to the network: use https, or say --insecure-http "
            f"({INSECURE}=1) where the network is yours alone."
        )
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}{f':{port}' if port else ''}{parts.path.rstrip('/')}"


def is_loopback(host: str) -> bool:
    """Whether a host of a URL is this machine itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def keyring_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Where tokens are kept."""
    root = environ.get("XDG_CONFIG_HOME", "")
    return (Path(root) if root.startswith("/") else Path.home() / ".config") / "slipway" / "credentials.json"


def read(path: Path) -> Keyring:
    """The tokens that are kept; none when there is no file. Raises WrongUse for a file that others can read."""
    try:
        with path.open() as file:
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_IMODE(mode) & 0o077:
                raise WrongUse(f"{path} holds your tokens and others can read it: run `chmod 600 {path}`.")
            held = json.load(file)
            return Keyring(str(held["default"]), dict(held["tokens"]), frozenset(held.get("insecure", ())))
    except FileNotFoundError:
        return Keyring("", {})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WrongUse(f"{path} cannot be read ({error}): repair or remove it, then run `slipway login`.") from error


def keep(path: Path, credentials: Credentials) -> None:
    """Keep a token; its server is asked from now on when none is named."""
    held = read(path)
    insecure = held.insecure
    if credentials.url.startswith("http:") and not is_loopback(urlsplit(credentials.url).hostname or ""):
        insecure |= {credentials.url}
    _write(path, Keyring(credentials.url, {**held.tokens, credentials.url: credentials.token}, insecure))


def forget(path: Path, url: str) -> bool:
    """Forget a server's token; whether there was one."""
    held = read(path)
    left = {known: token for known, token in held.tokens.items() if known != url}
    default = held.default if held.default in left else next(iter(left), "")
    _write(path, Keyring(default, left, held.insecure - {url}))
    return url in held.tokens


def _write(path: Path, keyring: Keyring) -> None:
    """At once or not at all, and at no moment readable by others."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    held = {"default": keyring.default, "tokens": dict(keyring.tokens), "insecure": sorted(keyring.insecure)}
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".", delete=False) as file:  # made with 0600
        json.dump(held, file, indent=2)
    Path(file.name).replace(path)


def _without_slash(url: str) -> str:
    return url.strip().rstrip("/")
