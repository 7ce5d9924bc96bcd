"""The list of a release's files that we make is the one that the host would make."""

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from runners.hosts.shipped import list_files


def packed(*entries: tuple[str, bytes, str]) -> bytes:
    """A gzipped tar of (name, content, target of a link): a link when there is no content but a target."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for name, content, target in entries:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            if target:
                entry.type, entry.linkname = (tarfile.LNKTYPE if "/" in target else tarfile.SYMTYPE), target
            archive.addfile(entry, io.BytesIO(content))
    return data.getvalue()


def test_it_is_what_the_host_finds_after_unpacking(tmp_path: Path) -> None:
    data = packed(
        ("dist/a", b"1", ""),
        ("dist/with space", b"2" * 70_000, ""),
        ("./dist/ä/ü", b"3", ""),
        ("dist/empty", b"", ""),
        ("dist/symbolic", b"", "a"),
        ("dist/hard", b"", "dist/a"),
        ("dist/var/up/one", b"4", ""),
        ("dist/.env", b"5", ""),
        ("dist/" + "n" * 150, b"6", ""),
        ("other/file", b"7", ""),
    )
    subprocess.run(["tar", "-xzf", "-", "-C", str(tmp_path)], input=data, check=True)
    (tmp_path / "dist/var/up/one").unlink()
    find = ["find", ".", "-type", "f", "!", "-path", "./.env", "-exec", "sha256sum", "{}", "+"]
    found = subprocess.run(find, cwd=tmp_path / "dist", capture_output=True, check=True).stdout
    listed = list_files(io.BytesIO(data), "dist", ["var/up/"])
    assert sorted(listed.splitlines()) == sorted(found.splitlines())


def test_a_release_that_is_one_file_is_listed_by_its_name() -> None:
    assert list_files(io.BytesIO(packed(("build/app.jar", b"x", ""))), "build/app.jar", []).endswith(b"  ./app.jar\n")


@pytest.mark.parametrize(
    "data",
    [
        packed(("dist/a", b"1", ""), ("dist/a", b"2", "")),
        packed(("dist/new\nline", b"1", "")),
        packed(("dist/../a", b"1", "")),
        packed(("dist/link", b"", "elsewhere"), ("dist/link/a", b"1", "")),
        packed(("dist/hard", b"", "dist/not-there")),
        packed(("dist/a", b"1" * 5000, ""))[:60],
        b"no archive",
    ],
    ids=["twice", "two lines", "outside", "behind a link", "a missing twin", "cut off", "no archive"],
)
def test_what_is_doubtful_is_left_to_the_host(data: bytes) -> None:
    assert list_files(io.BytesIO(data), "dist", []) == b""
