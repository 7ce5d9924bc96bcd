"""What the engine is given to build an image from: a folder of the workspace, without what `.dockerignore` names."""

import io
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing
from typing import IO

from django.conf import settings

from pipelines.errors import UserError
from pipelines.runs import queries
from pipelines.runs.models import Stage
from pipelines.spec.model import BuildSpec
from runners import artifacts
from runners.containers.engine import PatternMatcher
from runners.planning import mirror_of
from runners.tarstreams import BLOCK, Readable, contents

ROOT = "workspace/"
IGNORE = ".dockerignore"
TEXT_BYTES_MAX = 1024 * 1024

Member = tuple[tarfile.TarInfo, IO[bytes] | None]


class ContextRefused(UserError):
    """There is nothing to build from, or too much."""


def assemble(stage: Stage, spec: BuildSpec) -> tuple[IO[bytes], str]:
    """A tar of the context in a temporary file, which the caller closes, and the text of its Dockerfile."""
    file = _inner(spec.file)
    texts = _texts(stage, spec, {IGNORE, file})
    if file not in texts:
        where = f" of the folder {spec.context}" if _inner(spec.context) else ""
        raise ContextRefused(f"there is no Dockerfile {spec.file} in the workspace{where}, or it is not a plain file")
    kept = {file, IGNORE}  # the engine needs them, whatever they say of themselves
    ignored = PatternMatcher([line for line in texts.get(IGNORE, "").splitlines() if line.strip() and line[0] != "#"])
    draft = tempfile.TemporaryFile(prefix="slipway-context-")  # noqa: SIM115  the caller closes it
    try:
        with tarfile.open(fileobj=draft, mode="w|", format=tarfile.GNU_FORMAT, bufsize=BLOCK) as tar:
            for member, content in _members(stage, spec):
                if member.name in kept or not _matches(ignored, member.name):
                    tar.addfile(member, content)
                    _check(draft.tell())
    except BaseException:
        draft.close()
        raise
    draft.seek(0)
    return draft, texts[file]


def _texts(stage: Stage, spec: BuildSpec, wanted: set[str]) -> dict[str, str]:
    """The files of these names as they will be: what comes later stands."""
    found: dict[str, str] = {}
    for member, content in _members(stage, spec):
        if member.name in wanted:
            found.pop(member.name, None)
            if content is not None:
                found[member.name] = content.read(TEXT_BYTES_MAX).decode(errors="replace")
    return found


def _members(stage: Stage, spec: BuildSpec) -> Iterator[Member]:
    """The context's files, named from the context on: the commit's, then those of the artifacts of earlier stages."""
    prefix = f"{folder}/" if (folder := _inner(spec.context)) else ""
    for member, content in _workspace(stage):
        name = member.name
        if name.startswith(prefix) and name != prefix:
            member.name = name[len(prefix) :]
            if member.islnk():
                if not member.linkname.startswith(prefix):
                    continue
                member.linkname = member.linkname[len(prefix) :]
            yield member, content


def _workspace(stage: Stage) -> Iterator[Member]:
    run = stage.run
    mirror = mirror_of(run.project, trusted=run.trusted)
    made = mirror.workspace_at_hand(run.sha, run.ref)
    if made is None:
        mirror.fetch(run.ref, run.sha, run=str(run.pk))
        made = mirror.workspace(run.sha, run.ref)
    with made.open("rb") as stored:
        for member, content in contents(Readable(iter(lambda: stored.read(BLOCK), b""))):
            if member.name.startswith(ROOT):
                member.name = member.name[len(ROOT) :]
                yield member, content
    for artifact in queries.artifacts_for(stage):
        if artifact.storage_name:
            yield from _unpacked(artifact.storage_name, artifact.digest)


def _unpacked(name: str, digest: str) -> Iterator[Member]:
    with closing(Readable(artifacts.stream(name, digest))) as packed:
        with tarfile.open(fileobj=io.BufferedReader(packed), mode="r|gz", bufsize=BLOCK) as tar:
            for member in tar:
                yield member, tar.extractfile(member) if member.isreg() else None
        while packed.read(BLOCK):  # the digest is told at its end
            pass


def _matches(patterns: PatternMatcher, name: str) -> bool:
    return bool(patterns.matches(name))  # type: ignore[arg-type]  # it takes text, whatever its stub says


def _inner(path: str) -> str:
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def _check(size: int) -> None:
    if size > settings.SLIPWAY_BUILD_CONTEXT_MB * 1_000_000:
        most = f"{settings.SLIPWAY_BUILD_CONTEXT_MB} MB"
        raise ContextRefused(f"what the image is to be built from is more than {most}: name the rest in .dockerignore")
