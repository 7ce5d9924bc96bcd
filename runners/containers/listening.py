"""Hears a container out: its output into the log, until it has ended or has to be stopped."""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from pipelines.errors import PipelineError
from pipelines.states.leases import LostLease
from pipelines.states.status import Status
from runners.containers.executor import Container, EngineGone, Executor, Exit, Output
from runners.containers.stepping import duration
from runners.heartbeat import Heartbeat
from runners.recorder import Recorder

GRACE_SECONDS = 10.0
_IDLE_SECONDS = 0.1
_END_SECONDS = 2.0
_GIVE_UP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """How an attempt ends."""

    status: Status
    reason: str = ""
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """A container that was heard out. `stopped` is why it was told to end, if it was; the script may have ended by
    itself all the same."""

    container: Container
    end: Exit
    stopped: Verdict | None


class Stopped(PipelineError):
    """The attempt was stopped before its container ran: there is nothing to hear."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.reason)
        self.verdict = verdict


class Watch:
    """Whether an attempt must stop: somebody cancelled it, its time is over, or it is no longer ours."""

    def __init__(self, heart: Heartbeat, *, timeout_seconds: float, elapsed_seconds: float) -> None:
        self._heart = heart
        self._timeout_seconds = timeout_seconds
        self._deadline = time.monotonic() + timeout_seconds - elapsed_seconds

    def verdict(self) -> Verdict | None:
        """Why it must stop, or None. Raises LostLease when another runner has taken it over."""
        if self._heart.lost.is_set():
            raise LostLease("the lease was taken over by another runner")
        if self._heart.cancelled.is_set():
            return Verdict(Status.CANCELLED, "cancelled")
        if time.monotonic() > self._deadline:
            return Verdict(Status.FAILED, f"it took longer than its timeout of {duration(self._timeout_seconds)}")
        return None

    def check(self) -> None:
        """Raise Stopped if it must stop."""
        if (verdict := self.verdict()) is not None:
            raise Stopped(verdict)


class Listener:
    """Feeds the output of one container to the recorder, and stops the container when the watch says so or the log is
    full.

    `was_heard_out` tells whether the script's own end was among the output. With `idle_seconds` the container is also
    stopped when it prints nothing for so long; `doing` then says what it was that did not.
    """

    def __init__(
        self,
        executor: Executor,
        container: Container,
        recorder: Recorder,
        watch: Watch,
        was_heard_out: Callable[[], bool],
        *,
        idle_seconds: float | None = None,
        doing: Callable[[], str] = lambda: "it",
    ) -> None:
        self._stopped: Verdict | None = None
        self._executor, self._container = executor, container
        self._recorder, self._watch = recorder, watch
        self._was_heard_out = was_heard_out
        self._idle_seconds, self._doing = idle_seconds, doing
        self._heard_at = time.monotonic()
        self._kill_at = self._give_up_at = float("inf")

    def hear_live(self, output: Output) -> Heard:
        """From the start on; what attached output leaves out comes from the journal."""
        self._hear(output)
        end = self._executor.wait(self._container, _END_SECONDS)
        if end is None or not self._was_heard_out():
            return self.hear_journal()
        self._recorder.finish()
        return Heard(self._container, end, self._stopped)

    def hear_journal(self) -> Heard:
        """From where the recorder stands on."""
        self._hear(self._executor.journal(self._container, self._recorder.raw_fed))
        self._recorder.finish()
        while (end := self._executor.wait(self._container, _END_SECONDS)) is None:
            self._keep_time()
        return Heard(self._container, end, self._stopped)

    def _hear(self, output: Output) -> None:
        with closing(output):
            while not self._recorder.is_full and (raw := output.read(_IDLE_SECONDS)) is not None:
                self._recorder.feed(raw)
                self._heard_at = time.monotonic() if raw else self._heard_at
                self._keep_time()
        if self._recorder.is_full:
            self._kill()

    def _keep_time(self) -> None:
        """TERM when it must stop, KILL after the grace, and an error when even that does not help."""
        now = time.monotonic()
        if self._stopped is None and (verdict := self._watch.verdict() or self._idle(now)) is not None:
            self._stopped, self._kill_at = verdict, now + GRACE_SECONDS
            self._executor.terminate(self._container)
        if now > self._kill_at:
            self._kill()
        if now > self._give_up_at:
            raise EngineGone(f"container {self._container.id[:12]} was killed and has not ended")

    def _idle(self, now: float) -> Verdict | None:
        if self._idle_seconds is None or now - self._heard_at <= self._idle_seconds:
            return None
        return Verdict(Status.FAILED, f"{self._doing()} printed nothing for {duration(self._idle_seconds)}")

    def _kill(self) -> None:
        self._kill_at, self._give_up_at = float("inf"), time.monotonic() + _GIVE_UP_SECONDS
        self._executor.kill(self._container)
