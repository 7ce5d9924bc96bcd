"""A container's output on its way into the log: step marks taken out, secrets masked. Pure, streaming, byte-exact."""

import base64
import html
import json
import re
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, quote_plus

from pipelines.logs.marks import StepMark
from runners.screening import Screen

REPLACEMENT = b"***"
_BASE64_LINE_BYTES = (76, 64)  # as `base64` prints it, and as `openssl base64` and PEM do
_HEX_LINE_BYTES = 60  # as `xxd -p` does
NEEDLE_BYTES_MIN = 8  # shorter pieces of a secret would blank out ordinary words

Span = tuple[int, int]


def needles_of(secrets: Iterable[str]) -> frozenset[bytes]:
    """Every form of the secret values that a log must not show: as they are, line by line, and as commonly encoded.

    A value's single lines and its base64 forms count from NEEDLE_BYTES_MIN bytes on; the value itself at any length.
    """
    return frozenset(needle for secret in secrets if secret.strip() for needle in _forms(secret))


def _forms(secret: str) -> Iterable[bytes]:
    raw = secret.strip().encode()
    yield raw
    yield from (line for line in map(bytes.strip, raw.splitlines()) if len(line) >= NEEDLE_BYTES_MIN)
    yield from (form.encode() for form in _escaped(raw.decode()))
    yield from (raw.hex().encode(), raw.hex().upper().encode())
    yield from _lines(raw.hex().encode(), _HEX_LINE_BYTES)
    yield from _base64_forms(raw)


def _escaped(value: str) -> Iterable[str]:
    yield from (quote(value, safe=""), quote(value), quote_plus(value))
    yield re.sub("%..", lambda escape: escape[0].lower(), quote(value, safe=""))
    yield from (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
    yield from (value.replace("'", quoted) for quoted in ("'\\''", "'\"'\"'"))
    yield html.escape(value)


def _base64_forms(raw: bytes) -> Iterable[bytes]:
    """The part of the base64 text that only the secret decides, at each of the three places it may start in a group."""
    for shift in range(3):
        text = base64.b64encode(bytes(shift) + raw)
        own = text[-(-shift * 8 // 6) : (shift + len(raw)) * 8 // 6]
        if len(own) >= NEEDLE_BYTES_MIN:
            yield from (own, own.translate(bytes.maketrans(b"+/", b"-_")))
    whole = base64.b64encode(raw)[: len(raw) * 8 // 6]
    for length in _BASE64_LINE_BYTES:
        yield from _lines(whole, length)


def _lines(text: bytes, length: int) -> Iterable[bytes]:
    """Of a text that a program prints in lines of `length`; none for one that needs only one line."""
    if len(text) > length:
        lines = (text[start : start + length] for start in range(0, len(text), length))
        yield from (line for line in lines if len(line) >= NEEDLE_BYTES_MIN)


@dataclass(frozen=True, slots=True)
class Masked:
    """What a Masker let go: the masked text, how many bytes it took for it, and which of them it replaced."""

    data: bytes
    taken: int
    spans: Sequence[Span]

    def offset_of(self, position: int) -> int:
        """Where the taken byte at `position` is in `data`; inside a replaced needle: the end of its replacement."""
        shrunk = sum(min(end, position) - start - len(REPLACEMENT) for start, end in self.spans if start < position)
        return position - shrunk


class Masker:
    """Replaces needles in a byte stream, leftmost and longest first, wherever the stream is cut into chunks.

    Only a proper prefix of a needle is held back, and only more bytes or the end of the stream let it go.
    """

    def __init__(self, needles: Iterable[bytes]) -> None:
        self._needles = sorted(set(needles) - {b""})
        self._longest = max(map(len, self._needles), default=0)
        self._screen = Screen(self._needles)
        self._first_byte = _any_of({needle[:1] for needle in self._needles})
        self._held = b""

    def feed(self, data: bytes) -> Masked:
        """Mask what can be decided now."""
        if not self._needles:
            return Masked(data, len(data), ())
        text = self._held + data
        spans = self._spans(text)
        end = self._undecided_from(text, spans)
        self._held = text[end:]
        return _replaced(text[:end], spans[: bisect_left(spans, (end,))])

    def finish(self, data: bytes = b"") -> Masked:
        """Mask `data` and let go of what was held back: no more bytes will come."""
        text, self._held = self._held + data, b""
        return _replaced(text, self._spans(text))

    def _spans(self, text: bytes) -> list[Span]:
        present = self._screen.present(text)
        return [found.span() for found in _any_of(present).finditer(text)] if present else []

    def _undecided_from(self, text: bytes, spans: list[Span]) -> int:
        """Where the earliest suffix starts that is a proper prefix of a needle and no part of a needle before it."""
        for found in self._first_byte.finditer(text, max(0, len(text) - self._longest + 1)):
            start = found.start()
            before = bisect_left(spans, (start,)) - 1
            if (before < 0 or spans[before][1] <= start) and self._begins_a_needle(text[start:]):
                return start
        return len(text)

    def _begins_a_needle(self, suffix: bytes) -> bool:
        after = bisect_right(self._needles, suffix)
        return after < len(self._needles) and self._needles[after].startswith(suffix)


@lru_cache(maxsize=256)
def _alternation(needles: tuple[bytes, ...]) -> re.Pattern[bytes]:
    return re.compile(b"|".join(map(re.escape, sorted(needles, key=len, reverse=True))))


def _any_of(needles: Iterable[bytes]) -> re.Pattern[bytes]:
    return _alternation(tuple(sorted(needles)))


def _replaced(text: bytes, spans: Sequence[Span]) -> Masked:
    if not spans:
        return Masked(text, len(text), spans)
    starts, ends = zip(*spans, strict=True)
    kept = (text[start:end] for start, end in zip((0, *ends), (*starts, len(text)), strict=True))
    return Masked(REPLACEMENT.join(kept), len(text), spans)


def masked(text: str, needles: Iterable[bytes]) -> str:
    """A short text without secrets, that any database takes: a reason, a line of ours.

    Names of files and words of hosts are part of it, so a NUL or a byte that was no UTF-8 may be: each becomes a `?`.
    """
    whole = text.replace("\0", "?").encode(errors="replace")
    return Masker(needles).finish(whole).data.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of masked log. A fresh filter fed the raw output from `raw_until` gives exactly what follows it."""

    data: bytes
    raw_until: int
    marks: tuple[StepMark, ...] = ()


@dataclass(slots=True)
class _Gap:
    """Where marks were taken out: after how many bytes of text, how many bytes, and which of them are to be told."""

    at: int
    size: int
    marks: list[tuple[int, int | None]]


class LogFilter:
    """Takes step marks out of a container's raw output and masks the rest, wherever the output is cut into chunks.

    Marks go first: one forged in the middle of a secret must not hide it from the masker. Each step's begin and end
    are told once, and only those of the first `steps` positions; other marks just vanish.
    """

    def __init__(self, needles: Iterable[bytes], *, steps: int, raw_from: int = 0, log_from: int = 0) -> None:
        self._masker = Masker(needles)
        self._untold = {(step, begins) for step in range(steps) for begins in (True, False)}
        self._gaps: deque[_Gap] = deque()
        self._begun = b""  # a proper prefix of a mark at the end of what came
        self._raw, self._log = raw_from, log_from
        self._masked = self._scanned = 0  # bytes of text let go by the masker, and given to it

    def feed(self, raw: bytes) -> Piece:
        """What can be decided now; its data may be empty."""
        return self._piece(self._masker.feed(self._text_of(raw)))

    def note(self, data: bytes) -> Piece:
        """Text of our own that goes into the log before all that is still held back."""
        self._log += len(data)
        return Piece(data, self._raw)

    def finish(self) -> Piece:
        """All that was held back: no more output will come."""
        text, self._begun = self._begun, b""
        self._scanned += len(text)
        return self._piece(self._masker.finish(text))

    def _text_of(self, raw: bytes) -> bytes:
        raw = self._begun + raw
        start = raw.rfind(b"\x1b", -_MARK_BYTES_MAX)
        end = start if start >= 0 and _BEGUN_MARK.fullmatch(raw, start) else len(raw)
        self._begun = raw[end:]
        if raw.find(_MARK_HEAD, 0, end) < 0:
            self._scanned += end
            return raw[:end]
        return self._without_marks(raw[:end])

    def _without_marks(self, raw: bytes) -> bytes:
        kept, start = [], 0
        for mark in _MARK.finditer(raw):
            kept.append(raw[start : mark.start()])
            self._scanned += mark.start() - start
            self._take(mark)
            start = mark.end()
        self._scanned += len(raw) - start
        return b"".join((*kept, raw[start:]))

    def _take(self, mark: re.Match[bytes]) -> None:
        if not self._gaps or self._gaps[-1].at != self._scanned:
            self._gaps.append(_Gap(self._scanned, 0, []))
        gap = self._gaps[-1]
        gap.size += len(mark[0])
        position, code = int(mark["position"]), None if mark["code"] is None else int(mark["code"])
        if (position, code is None) in self._untold:
            self._untold.remove((position, code is None))
            gap.marks.append((position, code))

    def _piece(self, masked: Masked) -> Piece:
        marks: list[StepMark] = []
        while self._gaps and self._gaps[0].at <= self._masked + masked.taken:
            gap = self._gaps.popleft()
            self._raw += gap.size
            offset = self._log + masked.offset_of(gap.at - self._masked) if gap.marks else 0
            marks += [StepMark(position, offset, code is None, code) for position, code in gap.marks]
        self._masked += masked.taken
        self._raw += masked.taken
        self._log += len(masked.data)
        return Piece(masked.data, self._raw, tuple(marks))


def _begun(*parts: str) -> str:
    """A pattern of what may already stand there when only some of `parts`, in this order, have come; never all."""
    pattern = ""
    for part in reversed(parts[:-1]):
        pattern = f"{part}(?:{pattern})?" if pattern else part
    return pattern


_MARK_HEAD = b"\x1b]slipway;"
_MARK = re.compile(rb"\x1b\]slipway;(?P<position>\d{1,4});(?:begin|end;(?P<code>\d{1,3}))\x07")
_MARK_BYTES_MAX = len(_MARK_HEAD) + len("9999;end;255\x07")
_MARK_PARTS = (*map(re.escape, _MARK_HEAD.decode()), r"\d{1,4}", ";")
_BEGUN_MARK = re.compile(
    "|".join(
        (_begun(*_MARK_PARTS, *"begin", "\x07"), _begun(*_MARK_PARTS, *"end;", r"\d{1,3}", "\x07")),
    ).encode()
)
