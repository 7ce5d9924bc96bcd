"""The services of an attempt in the hands of one runner: begun before its stage, heard beside it, ended after it.

Their containers outlive a runner that dies, as the stage's does; the next one reads on where their logs end.
"""

import logging
import shlex
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from pipelines.errors import PipelineError, UserError
from pipelines.logs import store as logs
from pipelines.runs.models import Attempt
from pipelines.services import lifecycle
from pipelines.services.models import Service
from pipelines.spec.model import ServiceSpec, StageSpec
from pipelines.states.status import Status
from runners.containers.beside import Condition, ServicePlan
from runners.containers.executor import Container, ContainerGone, Executor, Ownership, State
from runners.containers.listening import Stopped, Verdict
from runners.containers.readiness import asked_port, has_started, waited_for
from runners.containers.registries import access_to
from runners.containers.resources import limits_of
from runners.recorder import Batch, Recorder

logger = logging.getLogger(__name__)

ENDED = "ended with the stage"
_LAST_BYTES = 2000
_LAST_LINES = 10
_READ_SECONDS = 0.1
_PAUSE_SECONDS = 0.1
_JOIN_SECONDS = 20


class ServiceFailed(UserError):
    """A service ended, or was not ready in time: see its log."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One service: its record, its container, and who reads it."""

    spec: ServiceSpec
    row: Service
    container: Container
    reader: "_Reader"


class Company:
    """All services of an attempt; without any, nothing here costs anything.

    Around a stage: they are ended when it has a verdict, which `told` completes; without one they go on, and only are
    not read any more. Their containers are cleared away by `Executor.clear`.
    """

    def __init__(self, executor: Executor, attempt: Attempt, spec: StageSpec, needles: frozenset[bytes]) -> None:
        self._executor, self._attempt, self._spec, self._needles = executor, attempt, spec, needles
        self._parts: list[_Part] = []

    def __enter__(self) -> "Company":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """A stage that has its verdict needs them no more; otherwise whoever takes it over does."""
        try:
            if kind is None or issubclass(kind, (UserError, Stopped)):
                self.end()
        finally:
            self.let_go()

    def begin(self, owner: Ownership, watch: Callable[[], None]) -> None:
        """Start every service, then wait until all are ready, or raise ServiceFailed in words. What a dead runner had
        begun is carried on. `watch` is called all the time; what it raises ends the waiting."""
        self.resume(owner, watch)
        for part in self._parts:
            if part.row.condition == "starting":
                self._await(part, watch)

    def resume(self, owner: Ownership, watch: Callable[[], None]) -> None:
        """Start every service that was not, and read on: after a takeover of a stage that runs already."""
        for spec in self._spec.services[len(self._parts) :]:
            self._parts.append(self._begun(owner, spec, watch))

    def told(self, verdict: Verdict) -> Verdict:
        """The verdict of the stage; a bad one tells as well which services had ended while it ran."""
        fallen = [fall for part in self._parts if (fall := self._fall_of(part))]
        if verdict.status != Status.FAILED or not fallen:
            return verdict
        return replace(verdict, reason="; ".join((verdict.reason, *fallen)))

    def end(self) -> None:
        """Stop them, and store the rest of what they said. Raises LostLease after a takeover."""
        for part in self._parts:
            self._executor.kill(part.container)
        for part in self._parts:
            part.reader.join()
            lifecycle.end(self._attempt, part.row, ENDED if part.row.condition == "ready" else part.row.condition)

    def let_go(self) -> None:
        """Read no more; the containers go on."""
        for part in self._parts:
            part.reader.stop()

    def _begun(self, owner: Ownership, spec: ServiceSpec, watch: Callable[[], None]) -> _Part:
        row = lifecycle.open_service(self._attempt, spec.name, spec.image)
        container = self._executor.services.create(self._plan(owner, spec), watch)
        reader = _Reader(self._executor, self._attempt, row, container, self._needles)
        reader.start()
        self._executor.start(container)
        return _Part(spec, row, container, reader)

    def _plan(self, owner: Ownership, spec: ServiceSpec) -> ServicePlan:
        ready = spec.ready
        return ServicePlan(
            owner=owner,
            name=spec.name,
            image=spec.image,
            environ=spec.env,
            command=tuple(shlex.split(spec.command)),
            limits=limits_of(self._spec.resources),
            access=access_to(self._attempt.stage.run, spec.image),
            checks=not ready.command and ready.port is None,
        )

    def _await(self, part: _Part, watch: Callable[[], None]) -> None:
        deadline = time.monotonic() + part.spec.ready.timeout_seconds
        while True:
            watch()
            condition = self._executor.services.condition(part.container)
            if condition.state == State.EXITED:
                raise self._failed(part, f"ended with code {condition.exit_code} before it was ready")
            if self._is_ready(part, condition):
                lifecycle.tell(self._attempt, part.row, "ready")
                return
            if time.monotonic() > deadline:
                why = waited_for(part.spec.ready, condition)
                raise self._failed(part, f"was not ready within {part.spec.ready.timeout_seconds} s: {why}")
            time.sleep(_PAUSE_SECONDS)

    def _is_ready(self, part: _Part, condition: Condition) -> bool:
        if not has_started(condition):
            return False
        if part.spec.ready.command:
            return self._executor.services.says_yes(part.container, part.spec.ready.command)
        if (port := asked_port(part.spec.ready, condition)) is not None:
            return self._executor.services.listens(part.container, port, self._spec.image)
        return condition.health in ("", "healthy")

    def _failed(self, part: _Part, what: str) -> ServiceFailed:
        lifecycle.tell(self._attempt, part.row, what)
        self._executor.kill(part.container)
        part.reader.join()
        said = self._last_lines(part.row)
        return ServiceFailed(f"the service {part.spec.name} {what}" + (f". It last said:\n{said}" if said else ""))

    def _last_lines(self, row: Service) -> str:
        row.log.refresh_from_db()
        text = logs.tail(row.log, _LAST_BYTES).decode(errors="replace").replace("\0", "?")
        return "\n".join(text.strip().splitlines()[-_LAST_LINES:])

    def _fall_of(self, part: _Part) -> str:
        if part.row.condition == ENDED:
            return ""
        try:
            condition = self._executor.services.condition(part.container)
        except ContainerGone:
            return f"its service {part.spec.name} was removed by somebody"
        if condition.state != State.EXITED:
            return ""
        lifecycle.tell(self._attempt, part.row, f"ended with code {condition.exit_code} while the stage ran")
        return f"its service {part.spec.name} had ended with code {condition.exit_code}"


class _Reader:
    """Feeds what one service says into its log, in a thread of its own, until the service ends or it is stopped."""

    def __init__(
        self, executor: Executor, attempt: Attempt, row: Service, container: Container, needles: frozenset[bytes]
    ) -> None:
        self._executor, self._attempt, self._row, self._container = executor, attempt, row, container
        self._recorder = Recorder(
            needles,
            self._store,
            steps=0,
            raw_from=row.log.raw_size,
            log_from=row.log.size,
            raw_bytes_max=settings.SLIPWAY_LOG_LIMIT_MB * 1024**2,
        )
        is_new = container.state == State.CREATED
        self._output = executor.output(container) if is_new else executor.journal(container, self._recorder.raw_fed)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"service {row.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop reading, wherever it is."""
        self._stopped.set()
        self._output.close()
        self._thread.join(_JOIN_SECONDS)

    def join(self) -> None:
        """Wait until all that the service said is stored; its container has been ended before."""
        self._thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        try:
            self._read()
        except (PipelineError, DatabaseError, InterfaceError):
            if not self._stopped.is_set():
                logger.exception("the output of %s could not be read to its end", self._row)
        finally:
            self._output.close()
            connection.close()

    def _read(self) -> None:
        self._hear()
        if not self._stopped.is_set() and not self._recorder.is_full and self._is_running():
            self._output = self._executor.journal(self._container, self._recorder.raw_fed)
            self._hear()
        if not self._stopped.is_set():
            self._recorder.finish()

    def _hear(self) -> None:
        with closing(self._output) as output:
            while not self._recorder.is_full and (raw := output.read(_READ_SECONDS)) is not None:
                self._recorder.feed(raw)

    def _is_running(self) -> bool:
        """Then the attached output broke off: what it left out comes from the journal."""
        return self._executor.services.condition(self._container).state == State.RUNNING

    def _store(self, batch: Batch) -> None:
        lifecycle.append(self._attempt, self._row, batch.data, batch.raw_until)
