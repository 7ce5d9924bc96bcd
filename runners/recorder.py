"""From a container's raw output to batches of masked log, ready to be stored."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from pipelines.logs.marks import StepMark
from runners.masking import LogFilter, Piece

LOG_BYTES_MAX = 256 * 1024 * 1024
BATCH_BYTES = 512 * 1024
BATCH_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Batch:
    """Masked log to append in one transaction; it accounts for the raw output up to `raw_until`."""

    data: bytes
    raw_until: int
    marks: tuple[StepMark, ...]


class Recorder:
    """Filters raw output and hands it to `sink` in batches: at once after a silence, then at most every 100 ms,
    sooner only when much has come (a batch is at most BATCH_BYTES plus one chunk). A mark alone waits for what the step
    prints, or for a silence: else the step's first line would have to wait.

    `raw_from` and `log_from` are where the stored log ends: the first raw byte fed is the one at `raw_from`. What
    `sink` raises passes through; then the recorder is of no more use.
    """

    def __init__(
        self,
        needles: frozenset[bytes],
        sink: Callable[[Batch], None],
        *,
        steps: int,
        raw_from: int = 0,
        log_from: int = 0,
        raw_bytes_max: int = LOG_BYTES_MAX,
        beyond: str = "the stage is stopped, the rest is lost",
    ) -> None:
        self._filter = LogFilter(needles, steps=steps, raw_from=raw_from, log_from=log_from)
        self._sink = sink
        self._raw_bytes_max = raw_bytes_max
        self._beyond = beyond
        self._fed = raw_from
        self._waiting: list[Piece] = []
        self._waiting_bytes = 0
        self._handed_over_at = time.monotonic() - BATCH_SECONDS
        self._last_mark: StepMark | None = None

    @property
    def last_mark(self) -> StepMark | None:
        """The last step mark among what was fed, stored or not."""
        return self._last_mark

    @property
    def raw_fed(self) -> int:
        """How far the raw output has been taken in: a source that broke is to be read on from here."""
        return self._fed

    @property
    def is_full(self) -> bool:
        """More came than a log may hold. The log ends with a line that says so; further output is dropped."""
        return self._fed > self._raw_bytes_max

    def feed(self, raw: bytes) -> None:
        """Take in the next raw output, or `b""` when none came for a while: what waits is then stored in time."""
        if self.is_full:
            return
        room = self._raw_bytes_max - self._fed
        if len(raw) > room:
            self._end_with_notice(raw[:room])
            return
        self._fed += len(raw)
        if raw:
            self._keep(self._filter.feed(raw))
        age_seconds = time.monotonic() - self._handed_over_at
        is_text = self._waiting_bytes > 0 or not raw
        if (age_seconds >= BATCH_SECONDS and is_text) or self._waiting_bytes >= BATCH_BYTES:
            self._hand_over()

    def note(self, line: str) -> None:
        """Put a line of ours, without secrets, into the log; it accounts for no raw output."""
        if not self.is_full:
            self._keep(self._filter.note(f"[slipway] {line}\n".encode(errors="replace")))

    def finish(self) -> None:
        """Store the rest: no more output will come."""
        if not self.is_full:
            self._keep(self._filter.finish())
            self._hand_over()

    def _end_with_notice(self, raw: bytes) -> None:
        """The last bytes, the notice and the knowledge that there was more (one byte beyond the limit) are one."""
        self._keep(self._filter.feed(raw))
        self._keep(self._filter.finish())
        self._fed = self._raw_bytes_max + 1
        self._keep(Piece(_notice(self._raw_bytes_max, self._beyond), self._fed))
        self._hand_over()

    def _keep(self, piece: Piece) -> None:
        self._waiting.append(piece)
        self._waiting_bytes += len(piece.data)
        self._last_mark = piece.marks[-1] if piece.marks else self._last_mark

    def _hand_over(self) -> None:
        pieces, self._waiting = self._waiting, []
        self._waiting_bytes = 0
        if any(piece.data or piece.marks for piece in pieces):
            marks = tuple(mark for piece in pieces for mark in piece.marks)
            self._sink(Batch(b"".join(piece.data for piece in pieces), pieces[-1].raw_until, marks))
            self._handed_over_at = time.monotonic()


def _notice(raw_bytes_max: int, beyond: str) -> bytes:
    limit = f"{raw_bytes_max // 1024**2} MiB" if raw_bytes_max >= 1024**2 else f"{raw_bytes_max} bytes"
    return f"\n[slipway] This log has reached its limit of {limit}: {beyond}.\n".encode()
