"""JUnit's XML as the tools write it: pytest, Jest, Surefire, go-junit-report, GoogleTest and their kin. Pure."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pipelines.reports import documents
from pipelines.reports.cases import CASES_MAX, LINE_MAX, SECONDS_MAX, Case, cleaned, name_of
from pipelines.reports.documents import BadDocument
from pipelines.states.status import Status

_OUTCOMES = {"failure": Status.FAILED, "error": Status.ERRORED, "skipped": Status.SKIPPED}
# Surefire ran it again: of the first kind it failed each time, of the second it succeeded at last.
_RERUNS = {"rerunFailure": False, "rerunError": False, "flakyFailure": True, "flakyError": True}
_NOT_RUN = frozenset({"notrun", "skipped", "suppressed", "disabled", "ignored"})
_SUITES = frozenset({"testsuites", "testsuite"})
_NUMBER = re.compile(r"[0-9.,'_ ]{1,40}(?:[eE][+-]?\d{1,3})?")
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+")


@dataclass(slots=True)
class Found:
    """What a file says, as far as it could be read: `broken` tells why no farther, `left_out` how many were too many.

    Texts are cleaned, neither masked nor cut.
    """

    cases: list[Case] = field(default_factory=list)
    left_out: int = 0
    broken: str = ""


def parse(data: bytes, cases_max: int = CASES_MAX) -> Found:
    """Never raises: of a file that breaks off, what came before is told."""
    reading = _Reading(cases_max)
    try:
        documents.read(data, reading)
        if not reading.is_junit:
            raise BadDocument(f"it is no JUnit report: its outermost element is <{name_of(reading.root)[:60]}>")
    except BadDocument as error:
        reading.found.broken = str(error)
    return reading.found


def seconds_of(text: str) -> float | None:
    """A duration as tools write it, `1,234.5` and `0,25` among them; None for what is none."""
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        return None
    text = re.sub("['_ ]", "", text)
    if "." in text and "," in text:
        decimal = max(".", ",", key=text.rindex)
        text = text.replace("," if decimal == "." else ".", "").replace(",", ".")
    elif "," in text:
        text = text.replace(",", "" if _THOUSANDS.fullmatch(text) else ".")
    try:
        seconds = float(text)
    except ValueError:
        return None
    return min(seconds, SECONDS_MAX) if math.isfinite(seconds) else None


@dataclass(slots=True)
class _Open:
    """A test case whose end has not come yet."""

    attributes: Mapping[str, str]
    outcome: Status = Status.SUCCEEDED
    message: str = ""
    text: list[str] = field(default_factory=list)
    flaky: bool = False
    is_of_suite: bool = False


class _Reading:
    """Gathers cases from the elements as they come; what a test printed is in the log already and is passed over."""

    def __init__(self, cases_max: int) -> None:
        self.found = Found()
        self.root = ""
        self._cases_max = cases_max
        self._suites: list[Mapping[str, str]] = []
        self._case: _Open | None = None
        self._telling = ""  # the element whose text belongs to the case

    @property
    def is_junit(self) -> bool:
        return self.root in _SUITES or self.root == "testcase"

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self.root = self.root or tag
        if tag in _SUITES:
            self._suites.append(attributes)
        elif tag == "testcase":
            self._case = _Open(attributes, Status.SKIPPED if _was_not_run(attributes) else Status.SUCCEEDED)
        elif tag in _OUTCOMES:
            self._note(tag, attributes)
        elif tag in _RERUNS and self._case is not None:
            self._case.flaky = self._case.flaky or _RERUNS[tag]

    def end(self, tag: str) -> None:
        if tag == self._telling:
            self._telling = ""
            if self._case is not None and self._case.is_of_suite:
                self._close()
        elif tag == "testcase":
            self._close()
        elif tag in _SUITES and self._suites:
            self._suites.pop()

    def text(self, data: str) -> None:
        if self._telling and self._case is not None:
            self._case.text.append(data)

    def _note(self, tag: str, attributes: Mapping[str, str]) -> None:
        if self._case is None:
            if tag == "skipped":
                return
            self._case = _Open({"name": "the suite itself"}, is_of_suite=True)  # its set-up failed
        outcome, case = _OUTCOMES[tag], self._case
        if case.outcome not in (Status.FAILED, Status.ERRORED):
            case.outcome = outcome
            case.message = attributes.get("message", "") or attributes.get("type", "")
        elif outcome == Status.ERRORED:
            case.outcome = outcome
        self._telling = tag

    def _close(self) -> None:
        case, self._case = self._case, None
        if case is None:
            return
        if len(self.found.cases) >= self._cases_max:
            self.found.left_out += 1
            return
        self.found.cases.append(self._made(case))

    def _made(self, case: _Open) -> Case:
        named, suite = case.attributes, self._suites[-1] if self._suites else {}
        text = cleaned("".join(case.text)).strip("\n")
        return Case(
            name=name_of(named.get("name", "")),
            outcome=case.outcome,
            suite=name_of(suite.get("name", "")),
            group=name_of(named.get("classname", "") or named.get("class", "")),
            seconds=seconds_of(named.get("time", "")),
            message=name_of(case.message) or _first_line(text),
            text=text,
            file=name_of(named.get("file", "") or suite.get("file", "") or suite.get("filepath", "")),
            line=_line(named.get("line", "") or named.get("lineno", "")),
            flaky=case.flaky and case.outcome == Status.SUCCEEDED,
        )


def _was_not_run(attributes: Mapping[str, str]) -> bool:
    """GoogleTest says so in attributes."""
    return attributes.get("status", "").lower() in _NOT_RUN or attributes.get("result", "").lower() in _NOT_RUN


def _first_line(text: str) -> str:
    return name_of(next((line for line in text.split("\n") if line.strip()), ""))


def _line(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= LINE_MAX else 0
