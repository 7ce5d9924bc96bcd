"""Coverage in Cobertura's XML, as coverage.py, gcovr, Istanbul and their kin write it. Pure."""

import math
from collections.abc import Mapping

from pipelines.reports import documents
from pipelines.reports.cases import Coverage, name_of
from pipelines.reports.documents import BadDocument

_LINES_MAX = 10**9
_SHARES = 10_000  # what a mere rate is told of


def parse(data: bytes) -> Coverage:
    """Lines as the file sums them up, else as it lists them, else from its rate. Raises BadDocument."""
    reading = _Reading()
    documents.read(data, reading)
    if reading.root != "coverage":
        raise BadDocument(f"it is no Cobertura report: its outermost element is <{name_of(reading.root)[:60]}>")
    found = reading.told or reading.listed or reading.rated
    if found is None:
        raise BadDocument("it names no lines that could be covered")
    return found


class _Reading:
    """Takes the sums of the outermost element, and counts lines; a method's lines come again in its class."""

    def __init__(self) -> None:
        self.root = ""
        self.told: Coverage | None = None
        self.rated: Coverage | None = None
        self._covered = self._valid = self._methods = 0

    @property
    def listed(self) -> Coverage | None:
        return Coverage(self._covered, self._valid) if self._valid else None

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if not self.root:
            self.root = tag
            self.told, self.rated = _told(attributes), _rated(attributes)
        elif tag == "methods":
            self._methods += 1
        elif tag == "line" and not self._methods:
            self._valid += 1
            self._covered += attributes.get("hits", "0").strip().lstrip("0") != ""

    def end(self, tag: str) -> None:
        self._methods -= tag == "methods"

    def text(self, data: str) -> None:
        """There is none that counts."""


def _told(attributes: Mapping[str, str]) -> Coverage | None:
    covered, valid = (_whole(attributes.get(name, "")) for name in ("lines-covered", "lines-valid"))
    if covered is None or not valid or covered > valid:
        return None
    return Coverage(covered, valid)


def _rated(attributes: Mapping[str, str]) -> Coverage | None:
    try:
        rate = float(attributes.get("line-rate", "")[:40])
    except ValueError:
        return None
    return Coverage(round(rate * _SHARES), _SHARES) if math.isfinite(rate) and 0 <= rate <= 1 else None


def _whole(text: str) -> int | None:
    text = text.strip()
    found = int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None
    return found if found is not None and found <= _LINES_MAX else None
