"""Files that a stage keeps: out of its container into storage, and into a later one.

Nothing is ever unpacked on our own machine. What leaves a container was written by code we do not trust, so each member
is checked by hand (Python's own `data` filter could be fooled until 3.11.13) and written anew into an archive that
anyone may unpack without care: names stay below the artifact's path, no member lies behind a link, and no link leads
out of the workspace.
"""

import hashlib
import io
import posixpath
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from gzip import GzipFile

from django.core.files import File
from django.core.files.storage import storages

from pipelines.errors import SystemFault, UserError
from pipelines.runs.models import Artifact
from runners.containers.executor import Container, Executor
from runners.containers.script import WORKSPACE
from runners.paths import inside, look
from runners.tarstreams import BLOCK, Readable, contents

BYTES_MAX = 4 * 1024**3
FILES_MAX = 200_000  # with directories

_COMPRESSION = 5  # half the time of gzip's default for a few per cent more bytes
_NEIGHBOURS_SHOWN = 20


class ArtifactMissing(UserError):
    """Nothing lies at the path: correct it, or let a step make it."""


class ArtifactRefused(UserError):
    """A path, name or link that leads out of the workspace: keep only what lies in it."""


class ArtifactTooLarge(UserError):
    """More bytes or files than an artifact may have: keep less."""


class ArtifactExpired(UserError):
    """The artifact was kept for a time that is over: the stage that makes it has to run again."""


class ArtifactDamaged(SystemFault):
    """The stored archive is not what was stored: see to the storage, and run the pipeline again."""


@dataclass(frozen=True, slots=True)
class Collected:
    """An artifact in storage: a tar.gz whose names begin with `path`, addressed by the SHA-256 of its bytes."""

    path: str
    digest: str
    size: int
    storage_name: str
    files: int


def collect(
    executor: Executor, container: Container, paths: Iterable[str], *, bytes_max: int = BYTES_MAX
) -> list[Collected]:
    """Store what lies at each of `paths` in the workspace of a container that has ended.

    Raises UserErrors that name the path, and then has stored nothing that a record will name. Collecting again gives
    the same digests.
    """
    return [_collect(executor, container, checked_path(path), bytes_max) for path in paths]


def there(made: Iterable[Artifact]) -> Iterator[Artifact]:
    """Those of them that are files. Raises ArtifactExpired for one that was kept only for a time that is over."""
    for artifact in made:
        if artifact.expired_at is not None:
            when = f"{artifact.expired_at:%d %B %Y}"
            raise ArtifactExpired(f"the artifact {artifact.path} was kept until {when}: run all again")
        if artifact.storage_name:  # an image lies in a registry
            yield artifact


def stream(storage_name: str, digest: str) -> Iterator[bytes]:
    """The stored archive, to be unpacked in a workspace. Raises ArtifactDamaged at its end unless it has `digest`."""
    hashed = hashlib.sha256()
    try:
        with storages["default"].open(storage_name) as stored:
            for block in stored.chunks(BLOCK):
                hashed.update(block)
                yield block
    except OSError as error:
        raise ArtifactDamaged(f"the artifact {storage_name} cannot be read from storage: {error}") from error
    if hashed.hexdigest() != digest:
        raise ArtifactDamaged(f"the artifact {storage_name} has changed in storage: its digest is not {digest}")


def small_file(executor: Executor, container: Container, path: str) -> bytes:
    """The first 64 KiB of the file at an absolute path of a container that has ended; empty when there is none."""
    entry = executor.entry(container, path)
    if entry is None or entry.is_directory or entry.link_target is not None:
        return b""
    with closing(Readable(executor.get(container, path))) as source:
        return next((content.read(65536) for _, content in contents(source) if content is not None), b"")


def checked_path(path: str) -> str:
    """An artifact's path without `./` and a closing slash; raises ArtifactRefused if it is not below the workspace."""
    found = inside(path)
    if found is None:
        raise ArtifactRefused(
            f"artifact path {path!r} does not lie in the workspace: give one relative to it, without .."
        )
    return found


def _collect(executor: Executor, container: Container, path: str, bytes_max: int) -> Collected:
    _look(executor, container, path)
    with tempfile.TemporaryFile(prefix="slipway-artifact-") as draft:
        source = Readable(executor.get(container, f"{WORKSPACE}/{path}"))
        with closing(source):
            files = _rewrite(source, draft, path, bytes_max)
        size = draft.tell()
        digest, name = _store(draft)
    return Collected(path, digest, size, name, files)


def _look(executor: Executor, container: Container, path: str) -> None:
    """Refuse a path that is not there, or of which a part is a link: what it names might lie anywhere."""
    found = look(executor, container, path)
    if found.entry is None:
        raise ArtifactMissing(_missing(executor, container, path, posixpath.dirname(found.at)))
    if found.link_target is not None:
        raise ArtifactRefused(
            f"artifact path {path!r}: {found.at} is a link to {found.link_target}; name the files themselves"
        )


def _missing(executor: Executor, container: Container, path: str, parent: str) -> str:
    names = _neighbours(executor, container, parent)
    there = ", ".join(names) if names else "nothing"
    return f"artifact path {path!r} does not exist; in {parent or 'the workspace'} there is: {there}"


def _neighbours(executor: Executor, container: Container, directory: str) -> list[str]:
    """The first names in a directory, in order; an ellipsis stands for the others."""
    found: list[str] = []
    with closing(Readable(executor.get(container, posixpath.join(WORKSPACE, directory)))) as source:
        for member in _members(source):
            _, _, rest = member.name.partition("/")
            name = rest.partition("/")[0] + ("/" if "/" in rest or member.isdir() else "")
            if rest and name not in found:
                found.append(name)
            if len(found) > _NEIGHBOURS_SHOWN:
                return [*found[:_NEIGHBOURS_SHOWN], "…"]
    return found


def _rewrite(source: Readable, draft: io.BufferedRandom, path: str, bytes_max: int) -> int:
    """Copy a tar of the thing at `path`, member by member; returns how many files are in it.

    The same members give the same bytes: no owner, no time of packing.
    """
    check = _Check(path, bytes_max)
    with (
        GzipFile(fileobj=draft, mode="wb", compresslevel=_COMPRESSION, mtime=0, filename="") as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.GNU_FORMAT, bufsize=BLOCK) as target,
    ):
        for member, content in contents(source):
            target.addfile(check.admitted(member), content)
    return check.files


def _members(source: Readable) -> Iterator[tarfile.TarInfo]:
    return (member for member, _ in contents(source))


class _Check:
    """Admits the members of one archive, in their order, or says what is wrong with one."""

    def __init__(self, path: str, bytes_max: int) -> None:
        self.files = self._members = 0
        self._path = path
        self._bytes_max = bytes_max
        self._bytes = 0
        self._links: set[str] = set()
        self._regular: set[str] = set()

    def admitted(self, member: tarfile.TarInfo) -> tarfile.TarInfo:
        """The member as it may be written: named from the workspace on, without owner and special modes."""
        info = tarfile.TarInfo(self._place(member.name))
        info.type, info.mode, info.mtime = member.type, member.mode & 0o777, int(member.mtime)
        if member.issym():
            info.linkname = self._link(info.name, member.linkname)
        elif member.islnk():
            info.linkname = self._twin(info.name, member.linkname)
        elif member.isreg():
            info.type, info.size = tarfile.REGTYPE, member.size
            self._regular.add(info.name)
        elif not member.isdir():
            raise ArtifactRefused(f"artifact {self._path!r}: {info.name} is a device, pipe or socket, not a file")
        self._count(info)
        return info

    def _place(self, name: str) -> str:
        """The member's place in the workspace: the engine names it from the path's last part on."""
        parts = name.split("/")
        place = posixpath.join(posixpath.dirname(self._path), name)
        if parts[0] != posixpath.basename(self._path) or {"", ".", ".."} & set(parts) or "\0" in name:
            raise ArtifactRefused(f"artifact {self._path!r}: a member is called {name!r}, which does not lie in it")
        if any(parent in self._links for parent in _parents(place)):
            raise ArtifactRefused(f"artifact {self._path!r}: {place} lies behind a link")
        return place

    def _link(self, place: str, target: str) -> str:
        """Steps up are only allowed at the front: there they leave real directories, further on perhaps other links."""
        parts = [part for part in target.split("/") if part not in ("", ".")]
        ups = next((i for i, part in enumerate(parts) if part != ".."), len(parts))
        if target.startswith("/") or ups > place.count("/") or ".." in parts[ups:]:
            raise ArtifactRefused(
                f"artifact {self._path!r}: the link {place} leads to {target}; links must stay in the workspace"
            )
        self._links.add(place)
        return target

    def _twin(self, place: str, target: str) -> str:
        other = self._place(target)
        if other not in self._regular:
            raise ArtifactRefused(f"artifact {self._path!r}: {place} is a second name of {target}, which is not in it")
        return other

    def _count(self, info: tarfile.TarInfo) -> None:
        self._bytes += info.size
        self._members += 1
        self.files += not info.isdir()
        if self._bytes > self._bytes_max:
            raise ArtifactTooLarge(f"artifact {self._path!r} has more than {self._bytes_max // 1024**2} MiB: keep less")
        if self._members > FILES_MAX:
            most = f"{FILES_MAX} files and directories"
            raise ArtifactTooLarge(f"artifact {self._path!r} has more than {most}: keep less")


def _parents(place: str) -> Iterator[str]:
    while place := posixpath.dirname(place):
        yield place


def _store(draft: io.BufferedRandom) -> tuple[str, str]:
    """Digest and storage name. What is there under the same digest is taken, unless a crash left only half of it."""
    size = draft.tell()
    draft.seek(0)
    digest = hashlib.file_digest(draft, "sha256").hexdigest()
    storage, name = storages["default"], f"artifacts/{digest[:2]}/{digest}.tar.gz"
    if not (storage.exists(name) and storage.size(name) == size):
        draft.seek(0)
        name = storage.save(name, File(draft, name))
    return digest, name
