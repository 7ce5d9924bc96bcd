"""What the engine is given to build from. The stage is nobody's: only its artifacts are asked for."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from pytest_django.fixtures import Settings

from pipelines.runs import queries
from pipelines.runs.models import Stage
from pipelines.spec.model import BuildSpec
from runners import artifacts
from runners.containers import contexts
from runners.containers.dockerfiles import bases

LINK = tarfile.SYMTYPE


def packed(**members: bytes | str) -> bytes:
    """A tar of files, and of links where a text is given."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = LINK, content
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return whole.getvalue()


class Workshop:
    """A commit, and artifacts of earlier stages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: list[SimpleNamespace] = []
        self.looked = 0

    def commit(self, **files: bytes | str) -> None:
        (self.folder / "commit.tar").write_bytes(packed(**{f"workspace/{name}": text for name, text in files.items()}))

    def artifact(self, **files: bytes | str) -> Path:
        whole = gzip.compress(packed(**files))
        name = f"{len(self.made)}.tar.gz"
        self.made.append(SimpleNamespace(storage_name=name, digest=hashlib.sha256(whole).hexdigest()))
        (self.folder / name).write_bytes(whole)
        return self.folder / name

    def assembled(self, spec: BuildSpec) -> tuple[dict[str, bytes], str]:
        stage = cast(Stage, SimpleNamespace())
        draft, text = contexts.assemble(stage, spec, self.folder / "commit.tar", self.look)
        with draft, tarfile.open(fileobj=draft) as tar:
            return {one.name: found.read() if (found := tar.extractfile(one)) else b"" for one in files_of(tar)}, text

    def look(self) -> None:
        self.looked += 1


def files_of(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    return (one for one in tar if one.isreg())


@pytest.fixture
def workshop(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    settings.MEDIA_ROOT = tmp_path
    made = Workshop(tmp_path)
    monkeypatch.setattr(queries, "artifacts_for", lambda _stage: made.made)
    monkeypatch.setattr(artifacts, "there", list)
    return made


def test_the_text_that_was_checked_is_the_one_that_is_built_wherever_a_link_leads(workshop: Workshop) -> None:
    workshop.commit(**{"x/docker/Dockerfile": b"FROM good\n", "evil/Dockerfile": b"FROM evil\n"})
    workshop.artifact(**{"x/docker": "../evil", contexts.DOCKERFILE: "evil/Dockerfile", ".dockerignore": "evil"})
    files, text = workshop.assembled(BuildSpec(file="x/docker/Dockerfile"))

    assert bases(text) == ["good"]
    assert files[contexts.DOCKERFILE] == text.encode()
    assert list(files)[-2:] == [contexts.DOCKERFILE, ".dockerignore"]
    assert files[".dockerignore"] == b".dockerignore\n.slipway.Dockerfile\n"


def test_a_file_of_bytes_that_are_no_text_is_built_as_it_is(workshop: Workshop) -> None:
    raw = b"# caf\xe9\nFROM busybox\nRUN echo \xff\n"
    workshop.commit(Dockerfile=raw)
    files, text = workshop.assembled(BuildSpec())

    assert files[contexts.DOCKERFILE] == raw
    assert "RUN echo \ufffd\n" in text


def test_a_dockerfile_is_read_whole_or_refused(workshop: Workshop) -> None:
    workshop.commit(Dockerfile=b"FROM busybox\n" + b"#" * contexts.TEXT_BYTES_MAX + b"\nADD http://127.0.0.1/ /x\n")

    with pytest.raises(contexts.ContextRefused, match="Dockerfile is larger than 1 MiB"):
        workshop.assembled(BuildSpec())


def test_what_is_too_large_is_refused_before_it_is_copied(workshop: Workshop, settings: Settings) -> None:
    settings.SLIPWAY_BUILD_CONTEXT_MB = 1
    workshop.commit(Dockerfile=b"FROM busybox\n")
    workshop.artifact(large=b"\0" * 2_000_000)
    written: list[int] = []
    draft = SimpleNamespace(tell=lambda: sum(written), write=lambda block: written.append(len(block)))

    with pytest.raises(contexts.ContextRefused, match="is more than 1 MB: name the rest"):
        workshop.assembled(BuildSpec())
    large = tarfile.TarInfo("large")
    large.size = 2_000_000
    with pytest.raises(contexts.ContextRefused):
        contexts._write(draft, [(large, io.BytesIO(b"\0" * large.size))], {})  # type: ignore[arg-type]
    assert sum(written) < 1_000_000

    workshop.commit(**{"Dockerfile": b"FROM busybox\n", ".dockerignore": b"lar*\n"})
    assert "large" not in workshop.assembled(BuildSpec())[0]


def test_the_watch_is_asked_for_each_file_and_ends_it(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    class Ended(Exception):
        pass

    def end() -> None:
        raise Ended

    workshop.commit(**{"Dockerfile": b"FROM busybox\n", "a": b"", "b": b""})
    workshop.assembled(BuildSpec())
    assert workshop.looked == 6
    monkeypatch.setattr(workshop, "look", end)
    with pytest.raises(Ended):
        workshop.assembled(BuildSpec())


def test_an_artifact_that_has_changed_in_storage_is_named_as_that(workshop: Workshop) -> None:
    workshop.commit(Dockerfile=b"FROM busybox\n")
    stored = workshop.artifact(dist=bytes(range(256)) * 8000)
    whole = stored.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:200] + b"\xff" * 200 + whole[400:], b"no archive"):
        stored.write_bytes(damaged)
        with pytest.raises(artifacts.ArtifactDamaged, match="has changed in storage"):
            workshop.assembled(BuildSpec())
