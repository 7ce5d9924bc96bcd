"""The story of one stage: from a claimed attempt to its verdict."""

import logging
from contextlib import closing, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.utils import timezone

from pipelines.errors import SystemFault, UserError
from pipelines.reports.lifecycle import store as store_report
from pipelines.runs import lifecycle, output
from pipelines.runs.lifecycle import LEASE_SECONDS, Claim
from pipelines.runs.models import Artifact, Attempt
from pipelines.spec.model import StageSpec
from pipelines.states.status import Status
from runners import artifacts, caches, reports
from runners.containers import ahead, building, preparation
from runners.containers.clearing import clearing
from runners.containers.docker import open_executor
from runners.containers.executor import Container, ContainerGone, EngineGone, Executor, Exit, Ownership, State
from runners.containers.listening import Heard, Listener, Stopped, Verdict, Watch
from runners.containers.preparation import Opened
from runners.containers.resources import capped, limits_of
from runners.containers.script import IN_VAIN, LAST_WORD
from runners.containers.services import Company
from runners.containers.stepping import WHY, why
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
            ahead.begin(attempt.stage)
            verdict = _verdict(executor, claim, spec, watch)
        if verdict.status != Status.SUCCEEDED:
            ahead.drop()
        lifecycle.finish_attempt(attempt, verdict.status, reason=verdict.reason, exit_code=verdict.exit_code)
    clear_away(attempt)


def _verdict(executor: Executor, claim: Claim, spec: StageSpec, watch: Watch) -> Verdict:
    try:
        performance = _Performance(executor, claim, spec, watch)
        return performance.built() if spec.build else performance.verdict()
    except Stopped as stopped:
        return stopped.verdict
    except UserError as error:
        return Verdict(Status.FAILED, str(error))


class _Performance:
    """One attempt in the hands of one runner."""

    def __init__(self, executor: Executor, claim: Claim, spec: StageSpec, watch: Watch) -> None:
        self._executor, self._watch = executor, watch
        self._attempt, self._spec = claim.attempt, spec
        secrets = preparation.secrets_of(claim.attempt)
        self._secrets = preparation.given(claim.attempt.stage.run, spec, secrets)
        self._needles = needles_of(secrets.values())
        self._company = Company(executor, claim.attempt, spec, self._needles)
        self._recorder = Recorder(
            self._needles,
            self._store,
            steps=len(spec.steps),
            raw_from=claim.attempt.log.raw_size,
            log_from=claim.attempt.log.size,
            raw_bytes_max=settings.SLIPWAY_LOG_LIMIT_MB * 1024**2,
        )

    def verdict(self) -> Verdict:
        """Let the container go, hear it out, judge, and keep what it made."""
        with self._company as company:
            heard = self._heard_later()
            while heard is None:
                heard = self._heard_live()
            verdict = self._reported(heard.container, company.told(self._judged(heard)))
            return self._kept(heard.container) if verdict.status == Status.SUCCEEDED else verdict

    def built(self) -> Verdict:
        """The verdict of a stage that builds an image instead of running steps."""
        self._end_former()
        return building.build(self._executor, self._attempt, self._spec, self._watch, self._recorder)

    def _heard_later(self) -> Heard | None:
        """What a former runner has let go; None when nothing has run yet. What has vanished may have done its work."""
        if not self._attempt.container:
            return None
        container = self._executor.find(_owner(self._attempt))
        if container is None:
            began = self._attempt.container[:12]
            raise ContainerGone(f"container {began}, begun by another runner, is not on this machine's engine")
        self._company.resume(_owner(self._attempt), self._watch.check)
        if container.state == State.RUNNING:
            self._executor.go(container)  # who noted it may have died before he did
        return self._unless_in_vain(self._listener(container).hear_journal())

    def _heard_live(self) -> Heard | None:
        """A container of its own, let go; None when that came too late for it."""
        self._end_former()
        opened = self._opened()
        with closing(opened.line) as line:
            self._supply(opened.container)
            self._watch.check()
            lifecycle.note_container(self._attempt, opened.container.id)
            with suppress(EngineGone):  # then it ends in vain, or goes on: both are found out
                line.go()
            return self._unless_in_vain(self._listener(opened.container).hear_live(line))

    def _end_former(self) -> None:
        """No two attempts at a stage run at once on this engine, and one whose outcome could not be learnt may go on.
        Raises EngineGone when it cannot be ended."""
        owner = _owner(self._attempt)
        for number in range(1, owner.attempt):
            self._executor.clear(replace(owner, attempt=number))

    def _supply(self, container: Container) -> None:
        """All that it finds when it begins: services, caches, and what the stages before it have made."""
        self._company.begin(_owner(self._attempt), self._watch.check)
        for told in capped(self._spec.resources):
            self._recorder.note(told)
        caches.restore(self._executor, container, self._attempt.stage, self._spec.caches, self._recorder.note)
        preparation.supply(self._executor, container, self._attempt.stage)

    def _opened(self) -> Opened:
        """The container that was made ahead for this, or a new one."""
        order = preparation.order(self._attempt.stage, self._attempt.number, self._spec, self._secrets)
        waiting = ahead.take(self._executor, order, self._watch.check)
        return waiting or preparation.open_container(self._executor, order, self._watch.check)

    def _unless_in_vain(self, heard: Heard) -> Heard | None:
        """None when it has ended without being let go, which is certain: its script begins with a mark."""
        if heard.end.code != IN_VAIN or self._recorder.raw_fed:
            return heard
        lifecycle.note_container(self._attempt, "")
        self._executor.remove(heard.container)
        self._watch.check()
        return None

    def _listener(self, container: Container) -> Listener:
        return Listener(
            self._executor,
            container,
            self._recorder,
            self._watch,
            self._script_has_ended,
            idle_seconds=self._spec.idle_timeout_seconds,
            doing=self._step_at_work,
        )

    def _store(self, batch: Batch) -> None:
        output.append(self._attempt, batch.data, batch.raw_until, batch.marks)

    def _script_has_ended(self) -> bool:
        """Only spares reading the output once more: a forged mark that makes it true hides nothing but its own tail."""
        mark = self._recorder.last_mark
        if mark is None or mark.begins:
            return False
        return mark.exit_code != 0 or mark.position + 1 == len(self._spec.steps)

    def _step_at_work(self) -> str:
        """Only a name for people: it comes from marks."""
        mark = self._recorder.last_mark
        position = 0 if mark is None else mark.position if mark.begins else mark.position + 1
        return self._step(position) if position < len(self._spec.steps) else "its script"

    def _judged(self, heard: Heard) -> Verdict:
        container, end, stopped = heard.container, heard.end, heard.stopped
        if self._recorder.is_full:
            return Verdict(Status.FAILED, f"its log reached the limit of {settings.SLIPWAY_LOG_LIMIT_MB} MiB", end.code)
        if end.code == 0:
            return Verdict(Status.SUCCEEDED, exit_code=0)
        if stopped is not None and not self._ended_by_itself(container, end.code):
            return replace(stopped, exit_code=end.code)
        if end.oom_killed:
            memory = f"it needed more than its {limits_of(self._spec.resources).memory_bytes >> 20} MiB of memory"
            return Verdict(Status.FAILED, memory, end.code)
        if end.code in _FROM_OUTSIDE and not self._ended_by_itself(container, end.code):
            return self._ended_from_outside(end)
        return Verdict(Status.FAILED, self._failed_step(container, end.code), end.code)

    def _ended_by_itself(self, container: Container, code: int) -> bool:
        return artifacts.small_file(self._executor, container, LAST_WORD).strip() == str(code).encode()

    def _ended_from_outside(self, end: Exit) -> Verdict:
        """By a former runner that was told to cancel and died, or by somebody who is none of us."""
        if lifecycle.renew(self._attempt) is not None:
            return Verdict(Status.CANCELLED, "cancelled", end.code)
        raise SystemFault(f"its container was ended from outside, with code {end.code} {end.error}".rstrip())

    def _failed_step(self, container: Container, code: int) -> str:
        if told := why(artifacts.small_file(self._executor, container, WHY), self._spec.steps):
            return told
        step = self._attempt.steps.filter(exit_code=code).order_by("position").last()
        name = self._step(step.position) if step else "its script"
        return f"{name} ended with code {code}"

    def _step(self, position: int) -> str:
        return f"step {position + 1}, {self._spec.steps[position].name[:80]},"

    def _reported(self, container: Container, verdict: Verdict) -> Verdict:
        """What its tests said is kept, all the more when it has failed; tests that failed fail a stage that did not."""
        if not (self._spec.reports.junit or self._spec.reports.coverage):
            return verdict
        collected = reports.collect(self._executor, container, self._spec.reports, self._masked)
        store_report(self._attempt, collected)
        if verdict.status != Status.SUCCEEDED or not collected.failures:
            return verdict
        return replace(verdict, status=Status.FAILED, reason=f"{collected.verdict}, say its reports")

    def _masked(self, text: str) -> str:
        return masked(text, self._needles)

    def _kept_until(self) -> datetime | None:
        seconds = self._spec.artifacts_kept_seconds
        return None if seconds is None else timezone.now() + timedelta(seconds=seconds)

    def _kept(self, container: Container) -> Verdict:
        """What was made is stored, or the reason why not; that names files, and a file may be named like a secret."""
        try:
            collected = artifacts.collect(self._executor, container, self._spec.artifacts)
        except UserError as error:
            return Verdict(Status.FAILED, masked(str(error), self._needles))
        until = self._kept_until()
        rows = [
            Artifact(path=c.path, digest=c.digest, size=c.size, storage_name=c.storage_name, expires_at=until)
            for c in collected
        ]
        output.keep(self._attempt, rows)
        caches.save(self._executor, container, self._attempt.stage, self._spec.caches, self._recorder.note)
        self._recorder.finish()
        return Verdict(Status.SUCCEEDED, exit_code=0)


def _elapsed_seconds(attempt: Attempt) -> float:
    """Since the attempt began, whoever had it then: a takeover does not prolong its time."""
    return (timezone.now() - attempt.started_at).total_seconds() if attempt.started_at else 0.0


def _owner(attempt: Attempt) -> Ownership:
    return Ownership(run=attempt.stage.run_id, stage=attempt.stage_id, attempt=attempt.number)


def clear_away(attempt: Attempt) -> None:
    """Soon, and only after the verdict is committed; what cannot be removed then, the sweep removes."""
    owner = _owner(attempt)
    clearing.later(lambda executor: executor.clear(owner))


# Codes of a main process that was killed, by the engine's end or by hand; a script may also end with one of them.
_FROM_OUTSIDE = frozenset({125, 137, 143, 255})
