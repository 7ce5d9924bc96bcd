"""Reading XML that nobody vouches for. Pure; nothing is ever fetched, expanded or resolved.

Expat is fed in pieces, so that a single tag or comment can be stopped while it still grows, and every number that
could get large has a limit: bytes, depth, elements, seconds.
"""

import time
from collections.abc import Mapping
from typing import Protocol
from xml.parsers import expat

from pipelines.errors import UserError

BYTES_MAX = 20 * 1024**2
DEPTH_MAX = 64
ELEMENTS_MAX = 1_000_000
SECONDS_MAX = 10.0

_PIECE = 64 * 1024
_SILENT_PIECES = 32  # so many pieces without an event are one tag, comment or instruction of 2 MB
_ELEMENTS_BETWEEN_LOOKS = 1024


class BadDocument(UserError):
    """A report file that cannot be read: let the tool write plain XML, or name another file."""


class Reading(Protocol):
    """Hears the elements of a document in order."""

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        ...

    def end(self, tag: str) -> None:
        """It ends."""
        ...

    def text(self, data: str) -> None:
        """A piece of the text within it."""
        ...


def read(data: bytes, reading: Reading, seconds_max: float = SECONDS_MAX) -> None:
    """Tell `reading` what is in a document. Raises BadDocument at the first thing that is wrong: what came before it
    was told."""
    if len(data) > BYTES_MAX:
        raise BadDocument(f"it has more than {BYTES_MAX // 1024**2} MiB")
    if not data.strip():
        raise BadDocument("it is empty")
    _Feeding(reading, time.monotonic() + seconds_max).feed(data)


class _Feeding:
    """One document on its way through expat."""

    def __init__(self, reading: Reading, ends_at: float) -> None:
        self._reading = reading
        self._ends_at = ends_at
        self._depth = self._elements = 0
        self._heard = True
        self._parser = parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.buffer_size = _PIECE
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        parser.StartDoctypeDeclHandler = self._doctype
        parser.EntityDeclHandler = self._entity
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.CommentHandler = self._passed_over
        parser.ProcessingInstructionHandler = self._passed_over

    def feed(self, data: bytes) -> None:
        silent = 0
        try:
            for start in range(0, len(data), _PIECE):
                self._heard = False
                self._parser.Parse(data[start : start + _PIECE], False)
                silent = 0 if self._heard else silent + 1
                self._look(silent)
            self._parser.Parse(b"", True)
        except expat.ExpatError as error:
            what = expat.ErrorString(error.code)
            raise BadDocument(f"it is no XML: {what} in line {error.lineno}, column {error.offset + 1}") from error
        except (LookupError, ValueError) as error:  # of an encoding that Python has not, or with several bytes a letter
            raise BadDocument(f"its encoding cannot be read: {error}") from error

    def _look(self, silent: int) -> None:
        if silent >= _SILENT_PIECES:
            raise BadDocument(f"a single tag or comment has more than {_SILENT_PIECES * _PIECE // 1024**2} MiB")
        if time.monotonic() > self._ends_at:
            raise BadDocument("reading it took too long")

    def _doctype(self, name: str, system: str | None, public: str | None, has_subset: int) -> None:
        """Cobertura's tools name an outer DTD, which nobody here looks at; declarations within are refused."""
        if has_subset:
            raise BadDocument("it declares a document type of its own, with entities perhaps; reports need none")

    def _entity(self, *declared: object) -> None:
        raise BadDocument("it declares entities; reports need none")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._heard = True
        self._depth += 1
        self._elements += 1
        if self._depth > DEPTH_MAX:
            raise BadDocument(f"its elements lie more than {DEPTH_MAX} deep")
        if self._elements > ELEMENTS_MAX:
            raise BadDocument(f"it has more than {ELEMENTS_MAX} elements")
        if self._elements % _ELEMENTS_BETWEEN_LOOKS == 0:
            self._look(0)
        self._reading.start(_plain(tag), attributes)

    def _end(self, tag: str) -> None:
        self._heard = True
        self._depth -= 1
        self._reading.end(_plain(tag))

    def _text(self, data: str) -> None:
        self._heard = True
        self._reading.text(data)

    def _passed_over(self, *ignored: object) -> None:
        self._heard = True


def _plain(tag: str) -> str:
    """The tag without a namespace's prefix."""
    return tag.rpartition(":")[2]
