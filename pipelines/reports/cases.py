"""What a report says, as values: results of tests and coverage. Pure.

A report is written by code that we do not trust and may quote a secret: texts are first cleaned, then masked by whoever
knows the secrets, and only then cut, for the first half of a secret is no longer found.
"""

import hashlib
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from pipelines.states.status import BAD, Status

CASES_MAX = 50_000  # a stage
NAME_MAX, FILE_MAX, MESSAGE_MAX, TEXT_MAX, NOTE_MAX = 300, 300, 500, 8000, 300
NOTES_MAX = 20
SECONDS_MAX = 1e7
LINE_MAX = 2**31 - 1
KEY_BYTES = 8

# From best to worst: what counts when one report has a test twice.
_SEVERITY = (Status.SKIPPED, Status.SUCCEEDED, Status.FAILED, Status.ERRORED)
_CODES = dict(zip(_SEVERITY, range(4), strict=True))
_CELL = struct.Struct(f"<{KEY_BYTES}sBf")
_UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
_ESCAPE = re.compile("(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]")
_SEAM = "\x1f"  # stands in no cleaned text


@dataclass(frozen=True, slots=True)
class Case:
    """One test's result: `outcome` is succeeded, failed, errored or skipped; `seconds` None when it was not told.

    `flaky`: the tool itself tried again, and saw both results. `file` and `line` are as the tool names them; line 0 is
    unknown.
    """

    name: str
    outcome: Status
    suite: str = ""
    group: str = ""
    seconds: float | None = None
    message: str = ""
    text: str = ""
    file: str = ""
    line: int = 0
    flaky: bool = False

    @property
    def key(self) -> str:
        """What the test is known by in its project, whatever file or line it moves to: 16 hex digits."""
        named = "\0".join((self.suite, self.group, self.name)).encode(errors="replace")
        return hashlib.sha256(named).hexdigest()[: 2 * KEY_BYTES]

    @property
    def is_bad(self) -> bool:
        return self.outcome in BAD


@dataclass(frozen=True, slots=True)
class Coverage:
    """Lines that tests ran, of those that there are; where only a share was told, of ten thousand."""

    covered: int
    valid: int

    @property
    def percent(self) -> float:
        return 100 * self.covered / self.valid


@dataclass(frozen=True, slots=True)
class Collected:
    """What the report files of one attempt say, masked. `notes` tell what could not be read, and what was cut."""

    cases: Sequence[Case] = ()
    coverage: Coverage | None = None
    notes: Sequence[str] = field(default=())

    @property
    def failures(self) -> int:
        """How many tests failed or errored: a stage with any has failed, whatever its exit code."""
        return sum(case.is_bad for case in self.cases)

    @property
    def verdict(self) -> str:
        """`3 tests failed`, for the reason of a stage; empty when none did."""
        return told(self.failures) if self.failures else ""


def told(failed: int, new: int = 0) -> str:
    """`3 tests failed, 2 of them new`."""
    counted = f"{failed} test failed" if failed == 1 else f"{failed} tests failed"
    if not new:
        return counted
    return f"{counted}, {'all of them' if new == failed > 1 else 'it is' if failed == 1 else f'{new} of them'} new"


def whole(coverages: Iterable[Coverage]) -> Coverage | None:
    """The coverage of several files together; None without any."""
    found = list(coverages)
    if not found:
        return None
    return Coverage(sum(one.covered for one in found), sum(one.valid for one in found))


def cleaned(text: str) -> str:
    """Without colours, control characters and marks that turn the writing round; lines and tabs stay."""
    return _UNWANTED.sub("", _ESCAPE.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))


def name_of(text: str) -> str:
    """A name: cleaned, on one line."""
    return " ".join(cleaned(text).split())


def masked(cases: Sequence[Case], mask: Callable[[str], str]) -> list[Case]:
    """The cases with every text masked, then cut to what is kept of it. The many texts are masked as one."""
    texts = [text for case in cases for text in (case.name, case.suite, case.group, case.message, case.text, case.file)]
    hidden = mask(_SEAM.join(texts)).split(_SEAM)
    if len(hidden) != len(texts):  # something stretched over a seam: then each by itself
        hidden = [mask(text) for text in texts]
    rows = zip(*[iter(hidden)] * 6, strict=True)
    return [_cut(case, *row) for case, row in zip(cases, rows, strict=True)]


def unique(cases: Iterable[Case]) -> list[Case]:
    """Each test once, in the order of the report: of several results under one name the worst counts."""
    found: dict[str, Case] = {}
    for case in cases:
        key = case.key
        found[key] = _worse(found[key], case) if key in found else case
    return list(found.values())


def pack(cases: Iterable[Case]) -> bytes:
    """Outcome and seconds of each test in 13 bytes, in their order: what is kept of those that went well."""
    return b"".join(
        _CELL.pack(bytes.fromhex(case.key), _CODES[case.outcome], -1.0 if case.seconds is None else case.seconds)
        for case in cases
    )


def unpack(cells: bytes) -> Iterator[tuple[str, Status, float | None]]:
    """Key, outcome and seconds of each test, as `pack` was given them."""
    for key, code, seconds in _CELL.iter_unpack(cells):
        yield key.hex(), _SEVERITY[code], None if seconds < 0 else seconds


def find(cells: bytes, key: str) -> tuple[Status, float | None] | None:
    """Outcome and seconds of one test without reading the others; None when it is not among them."""
    wanted = bytes.fromhex(key)
    at = cells.find(wanted)
    while at >= 0 and at % _CELL.size:
        at = cells.find(wanted, at + 1)
    if at < 0:
        return None
    _, code, seconds = _CELL.unpack_from(cells, at)
    return _SEVERITY[code], None if seconds < 0 else seconds


def _worse(one: Case, other: Case) -> Case:
    worse = max(other, one, key=lambda case: _SEVERITY.index(case.outcome))
    return replace(worse, flaky=one.flaky or other.flaky)


def _cut(case: Case, name: str, suite: str, group: str, message: str, text: str, file: str) -> Case:
    return replace(
        case,
        name=name[:NAME_MAX] or "a test without a name",
        suite=suite[:NAME_MAX],
        group=group[:NAME_MAX],
        message=message[:MESSAGE_MAX],
        text=_shortened(text),
        file=file[:FILE_MAX],
    )


def _shortened(text: str) -> str:
    """The beginning and, of a long one, the end: most tools write what went wrong last."""
    if len(text) <= TEXT_MAX:
        return text
    half = TEXT_MAX // 2 - 50
    return f"{text[:half]}\n… {len(text) - 2 * half} characters are left out …\n{text[-half:]}"
