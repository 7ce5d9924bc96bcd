"""The story of one stage: from a claimed attempt to its verdict."""

import logging
from contextlib import closing
from dataclasses import replace
from functools import partial

from django.conf import settings
from django.utils import timezone

from pipelines.errors import SystemFault, UserError
from pipelines.runs import lifecycle, output
from pipelines.runs.lifecycle import LEASE_SECONDS, Claim
from pipelines.runs.models import Artifact, Attempt, Run
from pipelines.spec.model import StageSpec
from pipelines.states.status import Status
from runners import artifacts
from runners.containers import preparation
from runners.containers.docker import open_executor
from runners.containers.executor import Container, ContainerGone, Executor, Exit, State
from runners.containers.listening import Listener, Stopped, Verdict, Watch
from runners.containers.script import LAST_WORD
from runners.heartbeat import Heartbeat
from runners.masking import masked, needles_of
from runners.recorder import Batch, Recorder

logger = logging.getLogger(__name__)


def run(claim: Claim) -> None:
    """Perform a claimed attempt, or carry on with one whose runner has died, up to its verdict.

    Raises LostLease when another runner has taken it over meanwhile, and SystemFault when the outcome cannot be learnt;
    the container then stays for that runner, or for the sweep.
    """
    attempt = claim.attempt
    spec = StageSpec.from_json(attempt.stage.spec)
    with closing(open_executor()) as executor:
        with Heartbeat(partial(lifecycle.renew, attempt), lease_seconds=LEASE_SECONDS) as heart:
            watch = Watch(heart, timeout_seconds=spec.timeout_seconds, elapsed_seconds=_elapsed_seconds(attempt))
            verdict = _verdict(executor, claim, spec, watch)
        if verdict.status == Status.CANCELLED:
            verdict = replace(verdict, reason=f"cancelled by {_canceller(attempt)}")
        lifecycle.finish_attempt(attempt, verdict.status, reason=verdict.reason, exit_code=verdict.exit_code)
        _clear_away(executor, attempt)


def _verdict(executor: Executor, claim: Claim, spec: StageSpec, watch: Watch) -> Verdict:
    try:
        return _Performance(executor, claim, spec, watch).verdict()
    except Stopped as stopped:
        return stopped.verdict
    except UserError as error:
        return Verdict(Status.FAILED, str(error))


class _Performance:
    """One attempt in the hands of one runner."""

    def __init__(self, executor: Executor, claim: Claim, spec: StageSpec, watch: Watch) -> None:
        self._executor, self._watch = executor, watch
        self._attempt, self._is_resumed, self._spec = claim.attempt, claim.resumed, spec
        secrets = preparation.secrets_of(claim.attempt)
        self._secrets = preparation.given(claim.attempt.stage.run, spec, secrets)
        self._needles = needles_of(secrets.values())
        self._recorder = Recorder(
            self._needles,
            self._store,
            steps=len(spec.steps),
            raw_from=claim.attempt.log.raw_size,
            log_from=claim.attempt.log.size,
            raw_bytes_max=settings.SLIPWAY_LOG_LIMIT_MB * 1024**2,
        )

    def verdict(self) -> Verdict:
        """Hear the container out, judge, and keep what it made."""
        container = self._started_before()
        if container is None:
            container = preparation.prepare(self._executor, self._attempt, self._spec, self._secrets, self._watch)
            verdict = self._heard_live(container)
        else:
            verdict = self._heard_later(container)
        return self._kept(container) if verdict.status == Status.SUCCEEDED else verdict

    def _started_before(self) -> Container | None:
        """The attempt's container, if a former runner has started it. One that has vanished may have done its work."""
        found = self._executor.find(self._attempt.pk) if self._is_resumed else None
        if found is None and self._attempt.container:
            began = self._attempt.container[:12]
            raise ContainerGone(f"container {began}, begun by another runner, is not on this machine's engine")
        return found if found is not None and found.state != State.CREATED else None

    def _heard_live(self, container: Container) -> Verdict:
        listener = self._listener(container)
        with closing(self._executor.output(container)) as live:
            self._executor.start(container)
            return self._judged(container, listener.hear_live(live), listener.stopped)

    def _heard_later(self, container: Container) -> Verdict:
        listener = self._listener(container)
        return self._judged(container, listener.hear_journal(), listener.stopped)

    def _listener(self, container: Container) -> Listener:
        return Listener(self._executor, container, self._recorder, self._watch, self._script_has_ended)

    def _store(self, batch: Batch) -> None:
        output.append(self._attempt, batch.data, batch.raw_until, batch.marks)

    def _script_has_ended(self) -> bool:
        """Only spares reading the output once more: a forged mark that makes it true hides nothing but its own tail."""
        mark = self._recorder.last_mark
        if mark is None or mark.begins:
            return False
        return mark.exit_code != 0 or mark.position + 1 == len(self._spec.steps)

    def _judged(self, container: Container, end: Exit, stopped: Verdict | None) -> Verdict:
        if self._recorder.is_full:
            return Verdict(Status.FAILED, f"its log reached the limit of {settings.SLIPWAY_LOG_LIMIT_MB} MiB", end.code)
        if end.code == 0:
            return Verdict(Status.SUCCEEDED, exit_code=0)
        if stopped is not None and not self._ended_by_itself(container, end.code):
            return replace(stopped, exit_code=end.code)
        if end.oom_killed:
            memory = f"it needed more than its {settings.SLIPWAY_STAGE_MEMORY_MB} MiB of memory"
            return Verdict(Status.FAILED, memory, end.code)
        if end.code in _FROM_OUTSIDE and not self._ended_by_itself(container, end.code):
            return self._ended_from_outside(end)
        return Verdict(Status.FAILED, self._failed_step(end.code), end.code)

    def _ended_by_itself(self, container: Container, code: int) -> bool:
        return artifacts.small_file(self._executor, container, LAST_WORD).strip() == str(code).encode()

    def _ended_from_outside(self, end: Exit) -> Verdict:
        """By a former runner that was told to cancel and died, or by somebody who is none of us."""
        if lifecycle.renew(self._attempt) is not None:
            return Verdict(Status.CANCELLED, "cancelled", end.code)
        raise SystemFault(f"its container was ended from outside, with code {end.code} {end.error}".rstrip())

    def _failed_step(self, code: int) -> str:
        step = self._attempt.steps.filter(exit_code=code).order_by("position").last()
        name = f"step {step.position + 1}, {self._spec.steps[step.position].name[:80]}," if step else "its script"
        return f"{name} ended with code {code}"

    def _kept(self, container: Container) -> Verdict:
        """What was made is stored, or the reason why not; that names files, and a file may be named like a secret."""
        try:
            collected = artifacts.collect(self._executor, container, self._spec.artifacts)
        except UserError as error:
            return Verdict(Status.FAILED, masked(str(error), self._needles))
        rows = [Artifact(path=c.path, digest=c.digest, size=c.size, storage_name=c.storage_name) for c in collected]
        output.keep(self._attempt, rows)
        return Verdict(Status.SUCCEEDED, exit_code=0)


def _canceller(attempt: Attempt) -> str:
    return Run.objects.values_list("cancel_requested_by", flat=True).get(pk=attempt.stage.run_id)


def _elapsed_seconds(attempt: Attempt) -> float:
    """Since the attempt began, whoever had it then: a takeover does not prolong its time."""
    return (timezone.now() - attempt.started_at).total_seconds() if attempt.started_at else 0.0


def _clear_away(executor: Executor, attempt: Attempt) -> None:
    """After the verdict is committed; what cannot be removed now, the sweep removes."""
    try:
        if (container := executor.find(attempt.pk)) is not None:
            executor.remove(container)
    except SystemFault:
        logger.exception("the container of %s could not be removed", attempt)


# Codes of a main process that was killed, by the engine's end or by hand; a script may also end with one of them.
_FROM_OUTSIDE = frozenset({125, 137, 143, 255})
