"""Files that a stage finds again from an earlier run: out of its container into storage, and into a later one.

What a cache is worth is never certain: a stage runs without it as well, so nothing here fails a stage but an engine or
a storage that breaks in the middle. As with artifacts, nothing is ever unpacked on our own machine.
"""

import hashlib
import io
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from gzip import GzipFile
from itertools import chain
from pathlib import Path
from uuid import uuid4

from django.conf import settings
from django.core.files import File
from django.core.files.storage import storages

from pipelines.caches import lifecycle, queries
from pipelines.caches.models import Cache
from pipelines.errors import UserError
from pipelines.runs.models import Run, Stage
from pipelines.spec.globs import matches_path
from pipelines.spec.model import CacheSpec
from runners import artifacts
from runners.artifacts import ArtifactDamaged
from runners.containers.executor import Container, Executor
from runners.containers.script import WORKSPACE
from runners.planning import mirror_of
from runners.tarstreams import BLOCK, Readable, contents

ROOT = "workspace/"
MEMBERS_MAX = 500_000

_COMPRESSION = 1  # a cache is to save time

Note = Callable[[str], None]


class TooLarge(UserError):
    """More than a cache may have."""


def restore(executor: Executor, container: Container, stage: Stage, specs: Iterable[CacheSpec], note: Note) -> None:
    """Put what the stage's caches hold into its workspace, before its steps; one line for each says what became of it.

    Raises ArtifactDamaged when one breaks off on its way; it is forgotten then, so that the next attempt goes without.
    """
    for spec in specs:
        found, how = _found(stage.run, spec)
        if found is None:
            note(f"cache {spec.name}: not found")
        elif _put(executor, container, found):
            note(f"cache {spec.name}: restored {megabytes(found.size)}, {how}")
        else:
            note(f"cache {spec.name}: it was lost in storage")


def save(executor: Executor, container: Container, stage: Stage, specs: Iterable[CacheSpec], note: Note) -> None:
    """Store what the stage has left at the caches' paths, after its success, unless their key is stored already.

    A cache without `files` is stored anew each time.
    """
    for spec in specs:
        key = key_of(stage.run, spec)
        scopes = queries.scopes(stage.run)
        if key and queries.exact(stage.run.project, scopes, spec.name, key) is not None:
            continue
        try:
            size = _save(executor, container, stage.run, spec, key)
        except UserError as error:
            note(f"cache {spec.name}: not saved: {error}")
        else:
            note(f"cache {spec.name}: saved {megabytes(size)}" if size else f"cache {spec.name}: saved by another run")


def key_of(run: Run, spec: CacheSpec) -> str:
    """A digest of the names and content of the files in the commit that the cache depends on; empty if it names none.

    What artifacts of earlier stages put over the commit does not count.
    """
    if not spec.files:
        return ""
    mirror = mirror_of(run.project, trusted=run.trusted)
    made = mirror.workspace_at_hand(run.sha, run.ref) or mirror.workspace(run.sha, run.ref)
    return digest_of(made, spec.files)


def digest_of(commit: Path, globs: Iterable[str]) -> str:
    """Of the files in a tar below `workspace/` that one of the globs matches, or that lie below one that is a path."""
    wanted = [glob.strip("/").removeprefix("./") for glob in globs]
    parts = []
    with tarfile.open(commit) as tar:
        for member in tar:
            name = member.name.removeprefix(ROOT)
            if any(matches_path(glob, name) or name.startswith(f"{glob}/") for glob in wanted):
                parts.append((name, _content(tar, member)))
    listed = "".join(f"{content} {name!r}\n" for name, content in sorted(parts))
    return hashlib.sha256(listed.encode()).hexdigest()


def megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size < 10_000_000 else f"{size / 1e6:.0f} MB"


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    if not member.isreg():
        return f"{member.type!r} {member.linkname}"
    source = tar.extractfile(member)
    assert source is not None
    with source:
        return hashlib.file_digest(source, "sha256").hexdigest()  # type: ignore[arg-type]


def _found(run: Run, spec: CacheSpec) -> tuple[Cache | None, str]:
    """The exact one, else the newest of its name, else the newest of each name to fall back to."""
    project, scopes, key = run.project, queries.scopes(run), key_of(run, spec)
    if key and (found := queries.exact(project, scopes, spec.name, key)) is not None:
        return found, "exact"
    for name in (spec.name, *spec.fallback):
        if (found := queries.newest(project, scopes, name)) is not None:
            how = "the newest" if name == spec.name else f"the newest of {name}"
            return found, f"{how}, of other files" if key else how
    return None, ""


def _put(executor: Executor, container: Container, cache: Cache) -> bool:
    """False when it is gone from storage; what is gone, or has changed there, is forgotten."""
    lifecycle.use(cache)
    blocks = artifacts.stream(cache.storage_name, cache.digest)
    try:
        first = next(blocks, b"")
    except ArtifactDamaged:
        lifecycle.forget([cache])
        return False
    try:
        executor.put(container, chain([first], blocks), WORKSPACE)
    except ArtifactDamaged:
        lifecycle.forget([cache])
        raise
    return True


def _save(executor: Executor, container: Container, run: Run, spec: CacheSpec, key: str) -> int:
    """How many bytes were stored; 0 when another was first."""
    present = [path for path in spec.paths if executor.entry(container, f"{WORKSPACE}/{path}") is not None]
    if not present:
        raise artifacts.ArtifactMissing(f"there is nothing at {', '.join(spec.paths)}")
    with tempfile.TemporaryFile(prefix="slipway-cache-") as draft:
        _pack(executor, container, present, draft)
        size = draft.tell()
        draft.seek(0)
        digest = hashlib.file_digest(draft, "sha256").hexdigest()
        draft.seek(0)
        name = f"caches/{run.project_id}/{uuid4().hex}.tar.gz"
        stored = storages["default"].save(name, File(draft, name))
    cache = Cache(
        project=run.project,
        scope=queries.scopes(run)[0],
        name=spec.name,
        key=key or f"at {time.time_ns()}",
        digest=digest,
        size=size,
        storage_name=stored,
    )
    if not lifecycle.store(cache):
        return 0
    if not key:
        lifecycle.supersede(cache)
    lifecycle.evict(run.project, settings.SLIPWAY_CACHES_MB * 1_000_000)
    return size


def _pack(executor: Executor, container: Container, paths: Iterable[str], draft: io.BufferedRandom) -> None:
    count = 0
    with (
        GzipFile(fileobj=draft, mode="wb", compresslevel=_COMPRESSION, mtime=0, filename="") as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.GNU_FORMAT, bufsize=BLOCK) as target,
    ):
        for path in paths:
            with closing(Readable(executor.get(container, f"{WORKSPACE}/{path}"))) as source:
                for member, content in contents(source):
                    target.addfile(_placed(member, path), content)
                    count += 1
                    _check(draft.tell(), count)


def _placed(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo:
    """Named from the workspace on: the engine names members from the path's last part on.

    Links may lead anywhere: they are only ever followed inside a container whose cache this is. Nothing lies outside
    the path by its name.
    """
    first, _, rest = member.name.partition("/")
    if ".." in member.name.split("/") or first != path.rstrip("/").rpartition("/")[2]:
        raise artifacts.ArtifactRefused(f"a member is called {member.name[:200]!r}, which does not lie in {path}")
    info = tarfile.TarInfo(f"{path.rstrip('/')}/{rest}".rstrip("/"))
    info.type, info.mode, info.mtime = member.type, member.mode & 0o777, int(member.mtime)
    info.uid, info.gid = member.uid, member.gid
    if member.issym():
        info.linkname = member.linkname
    elif member.islnk():
        info.linkname = _placed(tarfile.TarInfo(member.linkname), path).name
    elif member.isreg():
        info.type, info.size = tarfile.REGTYPE, member.size
    elif not member.isdir():
        raise artifacts.ArtifactRefused(f"{info.name[:200]} is a device, pipe or socket, not a file")
    return info


def _check(size: int, members: int) -> None:
    if size > settings.SLIPWAY_CACHE_MB * 1_000_000:
        raise TooLarge(f"it is larger than {settings.SLIPWAY_CACHE_MB} MB, the most that this server keeps")
    if members > MEMBERS_MAX:
        raise TooLarge(f"it has more than {MEMBERS_MAX} files and directories")
