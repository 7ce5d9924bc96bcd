"""What may be handed to git from outside: refs and commit ids, checked before git sees them."""

import re

from runners.checkout.errors import BadRef

_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_REF = re.compile(r"refs/(heads|tags|pull|merge-requests)/[^\x00-\x20\x7f~^:?*\[\\]{1,500}")
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")


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


def is_nothing(sha: str) -> bool:
    """Whether a code host says with this id that there was no commit."""
    return not sha.strip("0")


def parse_refs(listing: bytes) -> dict[str, str]:
    """`ls-remote` names an annotated tag twice; its second line, with `^{}`, has the commit.

    Only a newline ends a line: `splitlines` would also cut at U+2028 or U+0085, which a branch's name may hold, and
    `main\\u2028x` would pass for `main`.
    """
    refs: dict[str, str] = {}
    for line in listing.decode("utf-8", "replace").split("\n"):
        sha, _, ref = line.partition("\t")
        if re.fullmatch(r"[0-9a-f]{40,64}", sha):
            refs[ref.removesuffix("^{}")] = sha
    return refs


def redact(text: str, token: str | None) -> str:
    """What git said, without credentials and short enough to show."""
    clean = _CREDENTIALS.sub("", text.replace(token, "***") if token else text)
    lines = [line.strip() for line in clean.splitlines() if line.strip()]
    return " / ".join("".join(char if char.isprintable() else "?" for char in line) for line in lines)[:600]
