"""Artifacts out of a real container, and what a hostile one may try."""

import gzip
import io
import tarfile
from contextlib import closing
from pathlib import Path

import pytest
from django.core.files.storage import storages
from pytest_django.fixtures import Settings

from runners import artifacts
from runners.artifacts import ArtifactDamaged, ArtifactMissing, ArtifactRefused, ArtifactTooLarge, Collected, collect
from runners.containers.docker import DockerExecutor
from runners.containers.executor import ContainerPlan, Ownership
from runners.containers.script import archive, files_of
from tests.runners.ended import After


@pytest.fixture(autouse=True)
def storage_directory(tmp_path: Path, settings: Settings) -> Path:
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}},
    }
    return tmp_path


def members(collected: Collected) -> list[tarfile.TarInfo]:
    whole = b"".join(artifacts.stream(collected.storage_name, collected.digest))
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        return tar.getmembers()


def test_an_artifact_travels_from_one_stage_into_another(
    executor: DockerExecutor, after: After, busybox_image: str
) -> None:
    first = after("mkdir -p dist/sub; echo hello >dist/sub/file; ln -s sub/file dist/link; echo é >dist/é")
    [collected] = collect(executor, first, ["./dist/"])
    second = executor.create(ContainerPlan(Ownership(1, 2, 1), busybox_image))
    with closing(executor.output(second)) as line:
        executor.start(second)
        executor.put(second, archive(files_of(["ls -lR dist | grep -v total; cat dist/link dist/é"])))
        executor.put(second, artifacts.stream(collected.storage_name, collected.digest), "/workspace")
        line.go()
    executor.wait(second, 60)
    text = b""
    with closing(executor.journal(second)) as output:
        while (data := output.read(1)) is not None:
            text += data

    assert b"hello\n\xc3\xa9\n" in text
    assert (collected.path, collected.files) == ("dist", 3)
    assert len(collected.digest) == 64


def test_the_same_content_has_the_same_digest_and_is_stored_once(
    executor: DockerExecutor, after: After, storage_directory: Path
) -> None:
    step = "mkdir out; echo a >out/a; ln out/a out/b; chown 5:6 out/a; touch -t 202001010000 out/a out"
    first, again, other = (collect(executor, after(step), ["out"])[0] for _ in range(3))

    assert first == again == other
    assert [path.name for path in storage_directory.rglob("*.tar.gz")] == [f"{first.digest}.tar.gz"]
    assert {(member.uid, member.uname) for member in members(first)} == {(0, "")}


def test_a_single_file_deep_down_keeps_its_place(executor: DockerExecutor, after: After) -> None:
    container = after("mkdir -p a/b; echo hi >a/b/file; echo no >a/b/other")
    [collected] = collect(executor, container, ["a/b/file"])

    assert [member.name for member in members(collected)] == ["a/b/file"]


def test_special_modes_are_dropped(executor: DockerExecutor, after: After) -> None:
    [collected] = collect(executor, after("mkdir d; cp /bin/busybox d/su; chmod 4755 d/su"), ["d"])

    assert {member.name: oct(member.mode) for member in members(collected)} == {"d": "0o755", "d/su": "0o755"}


def test_a_missing_path_is_named_with_what_is_beside_it(executor: DockerExecutor, after: After) -> None:
    container = after("mkdir -p build/sub; touch build/app.whl build/sub/x README")

    with pytest.raises(ArtifactMissing, match=r"'dist' does not exist; in the workspace there is: README, build/"):
        collect(executor, container, ["dist/"])
    with pytest.raises(ArtifactMissing, match=r"'build/app.zip' does not exist; in build there is: app.whl, sub/"):
        collect(executor, container, ["build/app.zip"])


def test_an_empty_workspace_has_nothing_beside(executor: DockerExecutor, after: After) -> None:
    with pytest.raises(ArtifactMissing, match="there is: nothing"):
        collect(executor, after("true"), ["dist"])


def test_only_the_first_neighbours_are_named(executor: DockerExecutor, after: After) -> None:
    with pytest.raises(ArtifactMissing, match=r": 1, 10, .* 27, …$"):
        collect(
            executor,
            after("i=1; while [ $i -le 60 ]; do touch $((i+9)); i=$((i+1)); done; touch 1 2 3 4 5 6 7 8 9"),
            ["x"],
        )


@pytest.mark.parametrize("path", ["/etc/passwd", "../etc", "a/../../etc", "", ".", "./", "a\0b"])
def test_a_path_out_of_the_workspace_is_refused(executor: DockerExecutor, path: str) -> None:
    with pytest.raises(ArtifactRefused, match="does not lie in the workspace"):
        artifacts.checked_path(path)


@pytest.mark.parametrize(
    ("step", "told"),
    [
        ("mkdir dist; ln -s /etc/passwd dist/x", "dist/x leads to /etc/passwd"),
        ("mkdir dist; ln -s ../../etc dist/x", "dist/x leads to"),
        ("mkdir -p dist/a; ln -s . dist/a/b; ln -s a/b/../../../etc dist/x", "dist/x leads to"),
        ("mkdir dist; ln -s ../.. dist/x", "dist/x leads to"),
        ("ln -s /etc dist", "dist is a link to /etc"),
        ("mkdir real; ln -s real dist", "dist is a link"),
        ("mkdir dist; mkfifo dist/pipe", "dist/pipe is a device"),
    ],
)
def test_what_leads_out_or_is_no_file_is_refused(executor: DockerExecutor, after: After, step: str, told: str) -> None:
    with pytest.raises(ArtifactRefused, match=told):
        collect(executor, after(step), ["dist"])


def test_a_path_through_a_link_is_refused(executor: DockerExecutor, after: After) -> None:
    with pytest.raises(ArtifactRefused, match="dist is a link to /etc"):
        collect(executor, after("ln -s /etc dist"), ["dist/passwd"])


def test_links_that_stay_in_the_workspace_are_kept(executor: DockerExecutor, after: After) -> None:
    container = after("mkdir -p dist/bin pkg; ln -s ../lib/x dist/bin/x; ln -s ../pkg dist/pkg; ln -s missing dist/m")
    [collected] = collect(executor, container, ["dist"])

    links = {member.name: member.linkname for member in members(collected) if member.issym()}
    assert links == {"dist/bin/x": "../lib/x", "dist/pkg": "../pkg", "dist/m": "missing"}


def test_an_artifact_that_is_too_large_is_refused(executor: DockerExecutor, after: After) -> None:
    container = after("mkdir dist; dd if=/dev/zero of=dist/big bs=1M count=3 2>/dev/null")

    with pytest.raises(ArtifactTooLarge, match="more than 2 MiB"):
        collect(executor, container, ["dist"], bytes_max=2 * 1024**2)


def test_directories_count_as_well(executor: DockerExecutor, after: After, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "FILES_MAX", 5)
    container = after("mkdir -p dist/a dist/b dist/c dist/d dist/e")

    with pytest.raises(ArtifactTooLarge, match="more than 5 files and directories"):
        collect(executor, container, ["dist"])


def test_a_storage_that_lost_a_byte_is_told(executor: DockerExecutor, after: After, storage_directory: Path) -> None:
    [collected] = collect(executor, after("echo a >file"), ["file"])
    stored = storage_directory / collected.storage_name
    stored.write_bytes(stored.read_bytes()[:-1] + b"!")

    with pytest.raises(ArtifactDamaged, match="changed in storage"):
        list(artifacts.stream(collected.storage_name, collected.digest))
    stored.unlink()
    with pytest.raises(ArtifactDamaged, match="cannot be read"):
        list(artifacts.stream(collected.storage_name, collected.digest))


def test_what_a_crash_left_half_stored_is_not_taken_for_the_artifact(
    executor: DockerExecutor, after: After, storage_directory: Path
) -> None:
    container = after("echo a >file")
    [collected] = collect(executor, container, ["file"])
    (storage_directory / collected.storage_name).write_bytes(b"half")
    [again] = collect(executor, container, ["file"])

    assert again.digest == collected.digest
    assert again.storage_name != collected.storage_name
    assert storages["default"].size(again.storage_name) == again.size
    assert members(again)


def info(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


@pytest.mark.parametrize(
    "hostile",
    [
        [info("/etc/passwd")],
        [info("../dist/x")],
        [info("dist/../../x")],
        [info("other/x")],
        [info("dist//x")],
        [info("dist/d", tarfile.SYMTYPE, "."), info("dist/d/x")],
        [info("dist/h", tarfile.LNKTYPE, "/etc/passwd")],
        [info("dist/h", tarfile.LNKTYPE, "dist/later"), info("dist/later")],
        [info("dist/d", tarfile.SYMTYPE, "x"), info("dist/h", tarfile.LNKTYPE, "dist/d")],
        [info("dist/c", tarfile.CHRTYPE)],
        [info("dist/b", tarfile.BLKTYPE)],
    ],
    ids=lambda infos: "-".join(each.name for each in infos),
)
def test_a_hostile_archive_is_refused_whatever_made_it(hostile: list[tarfile.TarInfo]) -> None:
    check = artifacts._Check("dist", 1000)

    with pytest.raises(ArtifactRefused):
        list(map(check.admitted, hostile))


def test_a_stored_archive_names_no_time_of_packing(
    executor: DockerExecutor, after: After, storage_directory: Path
) -> None:
    [collected] = collect(executor, after("echo a >file"), ["file"])
    head = (storage_directory / collected.storage_name).read_bytes()[:10]

    assert head[4:8] == bytes(4)
    assert gzip.decompress((storage_directory / collected.storage_name).read_bytes())
