"""The server's own keys: made on the first start, kept in files that only the server's user can read."""

import json
import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

NAMES = ("secret_key", "encryption_keys")


def secret_key(state: Path) -> str:
    """Signs sessions and chains the audit."""
    return _key(state, "secret_key", secrets.token_urlsafe(64))


def encryption_keys(state: Path) -> list[str]:
    """Encrypt stored secrets; the first line writes, every line reads, so a new key is put on top."""
    return _key(state, "encryption_keys", Fernet.generate_key().decode()).split()


def given(text: str, file: str) -> str:
    """A secret from outside: as it is, or what a file holds, as containers are given theirs."""
    if not file:
        return text
    try:
        return Path(file).read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{file} cannot be read: {error.strerror}") from error


def _key(state: Path, name: str, fresh: str) -> str:
    path = state / "keys" / name
    if not path.exists():
        _make(state, path, fresh)
    if path.stat().st_mode & 0o077:
        raise ImproperlyConfigured(f"{path} can be read by others: run chmod 600 {path}")
    key = path.read_text().strip()
    if len(key) < 32:
        raise ImproperlyConfigured(f"{path} holds no usable key: bring back the one that this server was started with")
    return key


def _make(state: Path, path: Path, fresh: str) -> None:
    """Of several processes that start at once one makes the key: the link to a finished file appears once."""
    if (state / "keys" / "made").exists():
        raise ImproperlyConfigured(
            f"{path} is missing, but this server had one: bring it back, or stored secrets are lost"
        )
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    draft.touch(mode=0o600)
    draft.write_text(fresh + "\n")
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def remember_made(state: Path) -> None:
    """From now on a missing key is a loss, not a first start."""
    (state / "keys" / "made").touch(mode=0o600)


def export(state: Path, target: Path) -> None:
    """Write the keys into one file, 0600. Raises FileExistsError, and OSError when it cannot be written."""
    held = {name: (state / "keys" / name).read_text() for name in NAMES}
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump({"slipway": "keys", **held}, file, indent=1)
        file.flush()
        os.fsync(file.fileno())


def exported(source: Path) -> dict[str, str]:
    """The keys in a file that `export` wrote, by name. Raises ImproperlyConfigured."""
    try:
        told = json.loads(source.read_text())
        return {name: str(told[name]) for name in NAMES}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ImproperlyConfigured(f"{source} holds no keys of Slipway: {error}") from error


def bring_back(state: Path, held: dict[str, str]) -> None:
    """Make these the server's keys, in place of those that it has: only for a server that holds nothing yet."""
    for name in NAMES:
        draft = state / "keys" / f".{name}.{secrets.token_hex(4)}"
        draft.touch(mode=0o600)
        draft.write_text(held[name])
        draft.rename(state / "keys" / name)
