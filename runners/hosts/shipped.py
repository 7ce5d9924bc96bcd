"""Pure: the list of a release's files that its archive makes, as the host's own `sha256sum` would print it."""

import hashlib
import tarfile
from collections.abc import Sequence
from typing import BinaryIO

_LIST_BYTES_MAX = 1024 * 1024
_PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE)


def list_files(archive: BinaryIO, root: str, shared: Sequence[str]) -> bytes:
    """One line `<sha256>  ./<path>` for each file below `root`, or for that one file, but for those that give way to
    what is shared. Empty for an archive whose files only the host itself can tell for sure."""
    try:
        with tarfile.open(fileobj=archive, mode="r|*") as packed:
            found = _digests(packed)
    except (tarfile.TarError, EOFError, OSError, UnicodeError):
        return b""
    if found is None:
        return b""
    lines = [
        f"{digest}  ./{name}\n"
        for path, digest in found.items()
        if (name := _inside(path, root)) and not _gives_way(name, shared)
    ]
    data = "".join(lines).encode(errors="surrogateescape")
    return data if len(data) <= _LIST_BYTES_MAX else b""


def _digests(packed: tarfile.TarFile) -> dict[str, str] | None:
    """By path; None where links, doubled or unusual names make it doubtful which file lies where in the end."""
    found: dict[str, str] = {}
    seen: set[str] = set()
    links: set[str] = set()
    for member in packed:
        path = member.name.removeprefix("./").rstrip("/")
        if not _is_plain(member, path) or (path in seen and not member.isdir()):
            return None
        seen.add(path)
        if member.issym():
            links.add(path)
        elif member.isreg():
            found[path] = _digest_of(packed, member)
        elif member.islnk():
            target = found.get(member.linkname.removeprefix("./"))
            if target is None:
                return None
            found[path] = target
    is_led_astray = any(path.startswith(f"{link}/") for link in links for path in found)
    return None if is_led_astray else found


def _is_plain(member: tarfile.TarInfo, path: str) -> bool:
    odd = path.startswith("/") or ".." in path.split("/") or any(sign in path for sign in "\\\n\r")
    return member.type in _PLAIN and not member.issparse() and not odd and "//" not in path and "/./" not in path


def _digest_of(packed: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    file = packed.extractfile(member)
    assert file is not None
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def _inside(path: str, root: str) -> str:
    if not root:
        return path
    if path == root:
        return path.rpartition("/")[2]
    return path.removeprefix(f"{root}/") if path.startswith(f"{root}/") else ""


def _gives_way(name: str, shared: Sequence[str]) -> bool:
    own = name == ".env" or name.startswith(".slipway-")
    return own or any(f"{name}/".startswith(f"{path.strip('/')}/") for path in shared)
