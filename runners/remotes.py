"""What may be handed to git from outside: refs and commit ids, checked before git sees them."""

import re

from pipelines.errors import UserError

_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_REF = re.compile(r"refs/(heads|tags|pull|merge-requests)/[^\x00-\x20\x7f~^:?*\[\\]{1,500}")
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")


class BadRef(UserError):
    """A ref, commit id or label from outside is not of the form that git takes."""


def check_ref(ref: str) -> None:
    """Raises BadRef unless it is a full ref that git accepts: a branch, a tag or a pull request."""
    parts = ref.split("/")
    broken = ".." in ref or "@{" in ref or ref.endswith(".") or not _REF.fullmatch(ref)
    if broken or any(not part or part.startswith((".", "-")) or part.endswith(".lock") for part in parts):
        raise BadRef(f"{ref[:100]!r} is no full ref such as refs/heads/main or refs/tags/v1.2.3.")


def check_sha(sha: str) -> None:
    """Raises BadRef unless it is a full commit id in small letters; short ones can mean two commits."""
    if not _SHA.fullmatch(sha):
        raise BadRef(f"{sha[:100]!r} is no full commit id of 40 or 64 hexadecimal digits.")


def check_label(label: str) -> None:
    """Raises BadRef unless it can be the last part of a pin `refs/slipway/<label>`."""
    if not _LABEL.fullmatch(label):
        raise BadRef(f"{label[:100]!r} cannot name a pin; use letters, digits, - and _.")


def redact(text: str, token: str | None) -> str:
    """What git said, without credentials and short enough to show."""
    clean = _CREDENTIALS.sub("", text.replace(token, "***") if token else text)
    lines = [line.strip() for line in clean.splitlines() if line.strip()]
    return " / ".join("".join(char if char.isprintable() else "?" for char in line) for line in lines)[:600]
