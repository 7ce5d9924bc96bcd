"""The server's own keys: made on the first start, kept in files that only the server's user can read."""

import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured


def secret_key(state: Path) -> str:
    """Signs sessions and chains the audit."""
    return _key(state, "secret_key", secrets.token_urlsafe(64))


def encryption_keys(state: Path) -> list[str]:
    """Encrypt stored secrets; the first line writes, every line reads, so a new key is put on top."""
    return _key(state, "encryption_keys", Fernet.generate_key().decode()).split()


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
