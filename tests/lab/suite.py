"""The whole suite, in the order that lets it be fast and still be believed.

Three parts: all tests, several at once; what the database does, once more on PostgreSQL; and the tests marked `alone`,
which measure time or kill processes, one after the other. What failed beside others is named and asked once more,
without neighbours; only what fails again fails the suite. More than a few are no accident and are not asked again.

`python -m tests.lab.suite [ARGUMENT...]` hands its arguments on to pytest; TEST_WORKERS says how many at once.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.lab.postgres import postgres

ASKED_AGAIN_MAX = 20
_CACHES = Path(".pytest_cache/suite")
_DEFAULT_WORKERS = "4"
_NOTHING = pytest.ExitCode.NO_TESTS_COLLECTED


@dataclass(frozen=True, slots=True)
class Part:
    """One run of pytest; its failures are kept in a cache of its own."""

    name: str
    selection: Sequence[str]
    workers: str
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def cache(self) -> Path:
        """The directory in which pytest notes what failed."""
        return _CACHES / self.name

    def ask(self, arguments: Sequence[str]) -> int:
        """Run it, and what failed once more; gives pytest's exit status."""
        shutil.rmtree(self.cache, ignore_errors=True)
        status = self._run([*_at_once(self.workers), *arguments])
        failed = self._failed()
        if status != pytest.ExitCode.TESTS_FAILED or not 0 < len(failed) <= ASKED_AGAIN_MAX:
            return status
        print(f"\nslipway: {len(failed)} failed and are asked once more, alone:", *failed, sep="\n  ", flush=True)
        return self._run([*_at_once("0"), "--last-failed", "--last-failed-no-failures=none", *arguments])

    def _run(self, arguments: Sequence[str]) -> int:
        print(f"\nslipway: {self.name}", flush=True)
        command = [sys.executable, "-m", "pytest", "-o", f"cache_dir={self.cache}", *self.selection, *arguments]
        return subprocess.run(command, env={**os.environ, **self.environment}, check=False).returncode

    def _failed(self) -> list[str]:
        notes = self.cache / "v/cache/lastfailed"
        return sorted(json.loads(notes.read_text())) if notes.exists() else []


@contextlib.contextmanager
def parts(workers: str) -> Iterator[list[Part]]:
    """The three, with a PostgreSQL that stands as long as they are needed."""
    with postgres() as url:
        yield [
            Part("many-at-once", ["-m", "not faults and not alone"], workers),
            Part(
                "on-postgresql",
                ["-m", "not faults and not alone", "--database-only"],
                workers,
                {"SLIPWAY_DATABASE_URL": url},
            ),
            Part("alone", ["-m", "alone and not faults"], "0"),
        ]


def _at_once(workers: str) -> list[str]:
    return ["-n", workers, *(["--dist", "loadgroup"] if workers != "0" else [])]  # the stories share one server


def main(arguments: Sequence[str]) -> int:
    """Ask all parts, whatever becomes of the first; 0 when none failed and any had a test to run."""
    with parts(os.environ.get("TEST_WORKERS", _DEFAULT_WORKERS)) as asked:
        told = {part.name: part.ask(arguments) for part in asked}
    wrong = [name for name, status in told.items() if status not in (pytest.ExitCode.OK, _NOTHING)]
    if wrong:
        print(f"slipway: the suite failed: {', '.join(wrong)}", flush=True)
    return 1 if wrong or set(told.values()) == {_NOTHING} else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
