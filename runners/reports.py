"""Report files of a stage: out of its ended container, read, masked, and told.

They matter most when the stage has failed, so they are collected then too. A report that is missing or broken is a note
for people, never an error of ours: the stage ended as it ended.
"""

import posixpath
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import IO

from pipelines.reports import cobertura, junit
from pipelines.reports.cases import CASES_MAX, NOTE_MAX, NOTES_MAX, Case, Collected, Coverage, masked, unique, whole
from pipelines.reports.documents import BYTES_MAX, BadDocument
from pipelines.spec.model import ReportsSpec
from runners.containers.executor import Container, ContainerGone, Executor
from runners.containers.script import WORKSPACE
from runners.paths import inside, look
from runners.tarstreams import Readable, contents

FILES_MAX = 2000  # of a folder
TOTAL_BYTES_MAX = 200 * 1024**2  # that a path may send, files that are no reports among them
SECONDS_MAX = 60.0  # for all of a stage

_SUFFIX = ".xml"


class _Refused(Exception):
    """A path that is not read, and why."""


def collect(
    executor: Executor, container: Container, wanted: ReportsSpec, mask: Callable[[str], str] = str
) -> Collected:
    """What the report files in the workspace of an ended container say; every text went through `mask`.

    Raises only what the engine raises when it is gone.
    """
    return _Collection(executor, container, mask).collected(wanted)


class _Collection:
    """The reports of one attempt, file after file, within one time for all."""

    def __init__(self, executor: Executor, container: Container, mask: Callable[[str], str]) -> None:
        self._executor, self._container, self._mask = executor, container, mask
        self._ends_at = time.monotonic() + SECONDS_MAX
        self._cases: list[Case] = []
        self._coverages: list[Coverage] = []
        self._notes: list[str] = []
        self._left_out = 0

    def collected(self, wanted: ReportsSpec) -> Collected:
        for path in wanted.junit:
            self._read_all(path, self._read_junit)
        for path in wanted.coverage:
            self._read_all(path, self._read_coverage)
        cases = unique(self._cases)
        if self._left_out:
            self._note(f"{_tests(self._left_out)} left out: of a stage at most {CASES_MAX} are kept.")
        if len(cases) < len(self._cases):
            twice = len(self._cases) - len(cases)
            self._note(f"Names that came twice: {twice}; of each the worst result counts.")
        return Collected(tuple(cases), whole(self._coverages), tuple(self._notes[:NOTES_MAX]))

    def _read_all(self, path: str, read: Callable[[str, bytes], None]) -> None:
        """Every file at a path; what is wrong with one is noted, and the next is read."""
        files = 0
        try:
            for name, data in self._files(path):
                files += 1
                read(name, data)
            if not files:
                self._note(f"{path} has no {_SUFFIX} file directly in it.")
        except _Refused as refused:
            self._note(f"{refused}.")

    def _read_junit(self, name: str, data: bytes) -> None:
        found = junit.parse(data, CASES_MAX - len(self._cases))
        self._cases += masked(found.cases, self._mask)
        self._left_out += found.left_out
        if found.broken:
            told = f"; {_tests(len(found.cases))} read before that" if found.cases else ""
            self._note(f"{name} cannot be read: {found.broken}{told}.")

    def _read_coverage(self, name: str, data: bytes) -> None:
        try:
            self._coverages.append(cobertura.parse(data))
        except BadDocument as bad:
            self._note(f"{name} cannot be read: {bad}.")

    def _note(self, text: str) -> None:
        if len(self._notes) < NOTES_MAX:
            self._notes.append(self._mask(text)[:NOTE_MAX])

    def _files(self, path: str) -> Iterator[tuple[str, bytes]]:
        """(path, content) of the file, or of every report directly in the folder. Raises _Refused."""
        path = _place(path)
        is_folder = self._look(path)
        sent = count = 0
        for member, content in self._members(path):
            sent += member.size
            if sent > TOTAL_BYTES_MAX:
                raise _Refused(f"{path} has more than {TOTAL_BYTES_MAX // 1024**2} MiB: name a folder of reports alone")
            name = posixpath.join(posixpath.dirname(path), member.name)
            if is_folder and (posixpath.dirname(name) != path or not name.endswith(_SUFFIX)):
                continue
            if (data := self._admitted(name, member, content)) is not None:
                count += 1
                if count > FILES_MAX:
                    raise _Refused(f"{path} has more than {FILES_MAX} reports: the others are left out")
                yield name, data

    def _look(self, path: str) -> bool:
        """Whether it is a folder. No part of it may be a link: what it names might lie anywhere."""
        found = look(self._executor, self._container, path)
        if found.entry is None:
            raise _Refused(f"{path} was not written: the step that makes it did not run, or names another file")
        if found.link_target is not None:
            raise _Refused(f"{path} is not read: {found.at} is a link")
        return found.entry.is_directory

    def _admitted(self, name: str, member: tarfile.TarInfo, content: IO[bytes] | None) -> bytes | None:
        """The content of a member, if it is a file of a size that is read; None for a folder."""
        if member.isdir():
            return None
        if time.monotonic() > self._ends_at:
            raise _Refused(f"{name} and what follows is not read: the reports took longer than {SECONDS_MAX:.0f} s")
        if content is None:
            self._note(f"{name} is not read: it is a link or no file.")
            return None
        if member.size > BYTES_MAX:
            self._note(f"{name} is not read: it has more than {BYTES_MAX // 1024**2} MiB.")
            return None
        return content.read()

    def _members(self, path: str) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
        try:
            with closing(Readable(self._executor.get(self._container, f"{WORKSPACE}/{path}"))) as source:
                yield from contents(source)
        except ContainerGone as error:
            raise _Refused(f"{path} vanished while it was read") from error


def _tests(number: int) -> str:
    return "1 test was" if number == 1 else f"{number} tests were"


def _place(path: str) -> str:
    found = inside(path)
    if found is None:
        raise _Refused(f"{path!r} is not read: give a file or folder in the workspace, relative to it, without ..")
    return found
