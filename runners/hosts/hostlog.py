"""What a host says and what we say of it, masked, into the log of its host deploy."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from pipelines.deploys import lifecycle
from pipelines.deploys.models import Deploy
from pipelines.logs.models import Log
from runners.masking import masked
from runners.recorder import Batch, Recorder

HOST_LOG_BYTES_MAX = 16 * 1024 * 1024


class HostLog:
    """One log, written by one thread at a time. Raises LostLease after a takeover.

    Only the output of steps counts as raw: a worker that takes a step over knows from `raw_size` and from the
    step's base on the host which byte of the step's output comes next, whatever lines of ours lie around it.
    """

    def __init__(self, deploy: Deploy, log: Log, needles: frozenset[bytes]) -> None:
        self._deploy = deploy
        self._log = log
        self._needles = needles

    @property
    def raw_size(self) -> int:
        return self._log.raw_size

    def line(self, text: str) -> bytes:
        """A line of our own as it is stored: with the time, and masked."""
        return f"{datetime.now(UTC):%H:%M:%S} {masked(text, self._needles)}\n".encode()

    def say(self, text: str) -> None:
        """Store a line of our own."""
        lifecycle.append_output(self._deploy, self._log, self.line(text), self._log.raw_size)

    def hear(self, data: bytes) -> None:
        """A complete short answer of the host's."""
        self.say(data.decode(errors="replace").rstrip("\n"))

    @contextmanager
    def recording(self) -> Iterator[Recorder]:
        """Takes a step's output; what it holds back is stored at the end, also when the step failed."""
        recorder = Recorder(
            self._needles,
            self._store,
            steps=0,
            raw_from=self._log.raw_size,
            log_from=self._log.size,
            raw_bytes_max=HOST_LOG_BYTES_MAX,
            beyond="what the host prints beyond that is not kept",
        )
        try:
            yield recorder
        finally:
            recorder.finish()

    def _store(self, batch: Batch) -> None:
        lifecycle.append_output(self._deploy, self._log, batch.data, batch.raw_until)
