"""Many commits in little time, for benchmarks that push thousands."""

import subprocess
from collections.abc import Iterator, Mapping

from bench.stand import BRANCH
from tests.lab.codehost import Repository
from tests.lab.payloads import ZERO, Movement


def many_commits(repository: Repository, files: Mapping[str, str], count: int) -> list[Movement]:
    """Put `count` commits on the branch at once, each with `files`; gives the pushes that would have brought them."""
    git = ["git", f"--git-dir={repository.bare}"]
    stream = b"".join(_stream(files, count))
    subprocess.run([*git, "fast-import", "--quiet", "--force"], input=stream, check=True)
    listed = subprocess.run([*git, "rev-list", "--reverse", BRANCH], capture_output=True, text=True, check=True)
    shas = listed.stdout.split()
    befores = [ZERO, *shas]
    return [Movement(BRANCH, old, new, f"commit {n}") for n, (old, new) in enumerate(zip(befores, shas, strict=False))]


def _stream(files: Mapping[str, str], count: int) -> Iterator[bytes]:
    for number in range(count):
        yield f"commit {BRANCH}\ncommitter Alice <alice@example.org> {1_700_000_000 + number} +0000\n".encode()
        yield _data(f"commit {number}")
        for name, text in files.items() if number == 0 else ():
            yield f"M 100644 inline {name}\n".encode() + _data(text)


def _data(text: str) -> bytes:
    raw = text.encode()
    return f"data {len(raw)}\n".encode() + raw + b"\n"
