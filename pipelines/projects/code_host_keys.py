"""The keys that a code host is known by over ssh: lines as in a known_hosts file, pinned by a person."""

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass

from pipelines.errors import UserError

_NAMES = re.compile(r"[A-Za-z0-9.,:\[\]_-]{1,1000}|\|1\|[A-Za-z0-9+/=]{1,60}\|[A-Za-z0-9+/=]{1,60}")
_TYPES = frozenset({"ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"})


class BadHostKeys(UserError):
    """The text holds a line that is no pinned host key; copy the lines that the code host publishes."""


@dataclass(frozen=True, slots=True)
class PinnedKey:
    """One key of the hosts `names`: comma-separated, or one hashed name as `ssh-keyscan -H` writes it."""

    names: str
    type: str
    base64: str

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` prints it."""
        digest = hashlib.sha256(base64.b64decode(self.base64)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")

    @property
    def line(self) -> str:
        return f"{self.names} {self.type} {self.base64}"

    def is_of(self, host: str, port: int) -> bool:
        name = pin_name(host, port)
        if not self.names.startswith("|1|"):
            return name in self.names.lower().split(",")
        salt, digest = self.names.split("|")[2:]
        made = hmac.digest(base64.b64decode(salt), name.encode(), "sha1")
        return hmac.compare_digest(made, base64.b64decode(digest))


def pin_name(host: str, port: int) -> str:
    """What a known_hosts file calls the host: `host`, or `[host]:port` beside port 22."""
    return host.lower() if port == 22 else f"[{host.lower()}]:{port}"


def parse_host_keys(text: str) -> tuple[PinnedKey, ...]:
    """The keys of all lines; empty ones and comments are left out. Raises BadHostKeys with the line's number."""
    lines = enumerate(text.replace("\r\n", "\n").split("\n"), 1)
    return tuple(_parse(number, line) for number, line in lines if line.strip() and not line.startswith("#"))


def _parse(number: int, line: str) -> PinnedKey:
    words = line.split()
    if len(words) < 3 or not _NAMES.fullmatch(words[0]) or words[1] not in _TYPES:
        raise BadHostKeys(f"Line {number} is no host key: expected `host type key`, as in a known_hosts file.")
    try:
        for part in words[0].split("|")[2:]:
            base64.b64decode(part, validate=True)
        raw = base64.b64decode(words[2], validate=True)
    except binascii.Error as error:
        raise BadHostKeys(f"Line {number} is cut short or mistyped: its key is no base64.") from error
    if not raw.startswith(len(words[1]).to_bytes(4, "big") + words[1].encode()):
        raise BadHostKeys(f"Line {number} is cut short or mistyped: its key is not of the type {words[1]}.")
    return PinnedKey(words[0], words[1], words[2])
