"""What the engine is given to build an image from: a folder of the workspace, without what `.dockerignore` names."""

import io
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from gzip import BadGzipFile, GzipFile
from pathlib import Path
from typing import IO

from django.conf import settings

from pipelines.errors import UserError
from pipelines.runs import queries
from pipelines.runs.models import Stage
from pipelines.spec.model import BuildSpec
from runners import artifacts
from runners.containers import dockerignore
from runners.containers.dockerignore import Ignored
from runners.containers.executor import EngineGone
from runners.paths import plain
from runners.tarstreams import BLOCK, Readable, contents

ROOT = "workspace/"
DOCKERFILE = ".slipway.Dockerfile"  # the name that the engine is given: in the root, where no link leads elsewhere
TEXT_BYTES_MAX = 1024 * 1024

Watch = Callable[[], None]
Member = tuple[tarfile.TarInfo, IO[bytes] | None]


class ContextRefused(UserError):
    """There is nothing to build from, or too much."""


def assemble(stage: Stage, spec: BuildSpec, commit: Path, watch: Watch) -> tuple[IO[bytes], str]:
    """A tar of the context in a temporary file, which the caller closes, and the text of its Dockerfile, which is in it
    as DOCKERFILE. `commit` is the workspace as a tar, without what earlier stages have made.

    Raises ContextRefused, IgnoreRefused, and what `watch` raises, which is called for each file.
    """
    file = plain(spec.file)
    texts = _texts(_members(stage, spec, commit, watch), {dockerignore.NAME, file})
    if file not in texts:
        where = f" of the folder {spec.context}" if plain(spec.context) else ""
        raise ContextRefused(f"there is no Dockerfile {spec.file} in the workspace{where}, or it is not a plain file")
    own = {DOCKERFILE: texts[file], dockerignore.NAME: _ignoring(texts.get(dockerignore.NAME))}
    ignored = Ignored(texts.get(dockerignore.NAME, b"").decode(errors="replace"))
    members = _members(stage, spec, commit, watch)
    kept = (one for one in members if one[0].name not in own and one[0].name not in ignored)
    draft = tempfile.TemporaryFile(prefix="slipway-context-")  # noqa: SIM115  the caller closes it
    try:
        _write(draft, kept, own)
    except BaseException:
        draft.close()
        raise
    draft.seek(0)
    return draft, texts[file].decode(errors="replace")


def _write(draft: IO[bytes], members: Iterable[Member], own: Mapping[str, bytes]) -> None:
    """Our own files come last: no link, nor anything else that a stage made, can stand in for them."""
    with tarfile.open(fileobj=draft, mode="w|", format=tarfile.GNU_FORMAT, bufsize=BLOCK) as tar:
        for member, content in members:
            _check(draft.tell() + member.size)
            tar.addfile(member, content)
            tar.members.clear()  # type: ignore[attr-defined]  # or many files would fill the memory
        for name, text in own.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text))


def _ignoring(text: bytes | None) -> bytes:
    """So that the engine leaves out what is ours, when it has read it."""
    return (dockerignore.NAME.encode() if text is None else text) + f"\n{DOCKERFILE}\n".encode()


def _texts(members: Iterable[Member], wanted: set[str]) -> dict[str, bytes]:
    """The files of these names as they will be: what comes later stands."""
    found: dict[str, bytes] = {}
    for member, content in members:
        if member.name in wanted:
            found.pop(member.name, None)
            if content is not None:
                found[member.name] = content.read(TEXT_BYTES_MAX + 1)
    if large := [name for name, text in found.items() if len(text) > TEXT_BYTES_MAX]:
        raise ContextRefused(f"{large[0]} is larger than {TEXT_BYTES_MAX // 1024**2} MiB")
    return found


def _members(stage: Stage, spec: BuildSpec, commit: Path, watch: Watch) -> Iterator[Member]:
    """The context's files, named from the context on: the commit's, then those of the artifacts of earlier stages."""
    prefix = f"{folder}/" if (folder := plain(spec.context)) else ""
    for member, content in _workspace(stage, commit):
        watch()
        name = member.name
        if name.startswith(prefix) and name != prefix:
            member.name = name[len(prefix) :]
            if member.islnk():
                if not member.linkname.startswith(prefix):
                    continue
                member.linkname = member.linkname[len(prefix) :]
            yield member, content


def _workspace(stage: Stage, commit: Path) -> Iterator[Member]:
    with commit.open("rb") as stored:
        for member, content in contents(Readable(iter(lambda: stored.read(BLOCK), b""))):
            if member.name.startswith(ROOT):
                member.name = member.name[len(ROOT) :]
                yield member, content
    for artifact in artifacts.there(queries.artifacts_for(stage)):
        yield from _unpacked(artifact.storage_name, artifact.digest)


def _unpacked(name: str, digest: str) -> Iterator[Member]:
    with closing(Readable(artifacts.stream(name, digest))) as packed:
        try:
            with GzipFile(fileobj=packed) as unpacked:
                yield from contents(Readable(iter(lambda: unpacked.read(BLOCK), b"")))
        except (EngineGone, EOFError, BadGzipFile, zlib.error):
            _drain(packed)  # it then says that the archive is not the one that was stored
            raise
        _drain(packed)


def _drain(packed: Readable) -> None:
    """The digest is told at the end."""
    while packed.read(BLOCK):
        pass


def _check(size: int) -> None:
    if size > settings.SLIPWAY_BUILD_CONTEXT_MB * 1_000_000:
        most = f"{settings.SLIPWAY_BUILD_CONTEXT_MB} MB"
        raise ContextRefused(f"what the image is to be built from is more than {most}: name the rest in .dockerignore")
