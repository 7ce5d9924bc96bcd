"""Repositories as people work in them, for the tests of this package."""

import subprocess
import tarfile
from pathlib import Path

MAIN = "refs/heads/main"
TOKEN = "s3cr3t-t0ken"


class Repository:
    """A repository as a person works in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *args: str, stdin: str | bytes = "") -> str:
        who = [
            "-c",
            "user.name=Alice",
            "-c",
            "user.email=alice@example.org",
            "-c",
            "core.hooksPath=/dev/null",
        ]
        raw = stdin.encode() if isinstance(stdin, str) else stdin
        argv = ["git", "-C", str(self.path), *who, *args]
        return subprocess.run(argv, check=True, capture_output=True, input=raw).stdout.decode().strip()

    def commit(self, name: str = "file", text: str = "text\n", message: str = "a commit") -> str:
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")


def unpack(archive: Path, into: Path) -> Path:
    """As a container would: with links and modes, but in a folder that belongs to the test."""
    into.mkdir()
    with tarfile.open(archive) as tar:
        tar.extractall(into, filter="fully_trusted")
    return into / "workspace"


def git_in(folder: Path, *args: str) -> str:
    return subprocess.run(["git", "-C", str(folder), *args], check=True, capture_output=True, text=True).stdout


def processes_with(text: str) -> list[str]:
    """Command lines of running processes that hold a text."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if text in line:
            found.append(line)
    return found
