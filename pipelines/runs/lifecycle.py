"""What can be done to a run and its stages; each verb is one short transaction."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from pipelines.audit.record import record
from pipelines.errors import LostRace
from pipelines.logs import store as logs
from pipelines.outbox import queue as outbox
from pipelines.outbox.models import Channel
from pipelines.runs import flow
from pipelines.runs.models import Attempt, Run, Stage
from pipelines.runs.planning import may_release, stages_of
from pipelines.spec.model import PipelineSpec
from pipelines.states import leases
from pipelines.states.models import Transition
from pipelines.states.status import BAD, FINAL, Status
from pipelines.states.transitions import begin
from pipelines.states.transitions import transition as move

LEASE_SECONDS = 6


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to perform an attempt. `resumed`: another runner had begun it."""

    attempt: Attempt
    resumed: bool


def claim_planning(run_id: int, owner: str) -> Run:
    """Begin to plan a queued run; raises LostRace while another worker does, so that a slow clone holds only one."""
    leases.take_over(Run.objects.filter(pk=run_id, status=Status.QUEUED), owner, LEASE_SECONDS)
    return Run.objects.select_related("project").get(pk=run_id)


def renew_planning(run: Run) -> datetime | None:
    """Prolong the planner's lease; raises LostLease after a takeover, or when the run was cancelled meanwhile."""
    leases.renew(Run.objects.filter(pk=run.pk, status=Status.QUEUED), run.fence, LEASE_SECONDS)
    return None


def let_go_planning(run: Run) -> None:
    leases.let_go(Run.objects.filter(pk=run.pk), run.fence)


def plan(run: Run, spec: PipelineSpec, *, sha: str, digest: str, title: str, author: str) -> None:
    """Give a queued run its stages and start it; raises LostRace if somebody else plans, has planned or cancelled it.

    `sha` is the commit itself, where the event had named an annotated tag.
    """
    with transaction.atomic():
        renew_planning(run)
        deploy = spec.deploy.to_json() if spec.deploy and may_release(run) else None
        _move_run(
            run,
            Status.RUNNING,
            sha=sha,
            spec_digest=digest,
            title=title[:300],
            author=author[:150],
            deploy_spec=deploy,
        )
        Stage.objects.bulk_create(stages_of(run, spec))
        for stage in run.stages.all():
            begin(stage, reason=stage.reason)
            if stage.reason:
                move(stage, Status.SKIPPED, reason=stage.reason)
    settle(run.pk)


def reject(run: Run, status: Status, reason: str, problems: Iterable[Mapping[str, Any]] = ()) -> None:
    """End a run that cannot be planned: failed when its spec or repository is at fault, errored when we are.

    Raises LostRace as `plan`.
    """
    with transaction.atomic():
        renew_planning(run)
        _move_run(run, status, reason=reason, problems=list(problems))


def claim_stage(stage_id: int, owner: str) -> Claim:
    """Begin a queued stage, or take over one whose runner has died; raises LostRace for anything else."""
    with transaction.atomic():
        stage = Stage.objects.select_related("run__project").get(pk=stage_id)
        if stage.status == Status.QUEUED:
            return Claim(_begin_attempt(stage, owner), resumed=False)
        attempt = stage.attempts.order_by("number").last()
        if attempt is None or attempt.is_final:
            raise LostRace(f"{stage} is {stage.status}")
        leases.take_over(Attempt.objects.filter(pk=attempt.pk), owner, LEASE_SECONDS)
    attempt.refresh_from_db()
    attempt.stage = stage
    return Claim(attempt, resumed=True)


def renew(attempt: Attempt) -> datetime | None:
    """Prolong the lease; returns when the run was asked to stop, if it was. Raises LostLease after a takeover."""
    leases.renew(Attempt.objects.filter(pk=attempt.pk), attempt.fence, LEASE_SECONDS)
    return Run.objects.values_list("cancel_requested_at", flat=True).get(stages__attempts=attempt.pk)


def let_go(attempt: Attempt) -> None:
    """Leave a running attempt to whoever takes it over next; its container goes on meanwhile."""
    leases.let_go(Attempt.objects.filter(pk=attempt.pk), attempt.fence)


def note_container(attempt: Attempt, container: str) -> None:
    """Remember which container performs the attempt, before it is started."""
    with transaction.atomic():
        leases.renew(Attempt.objects.filter(pk=attempt.pk), attempt.fence, LEASE_SECONDS)
        Attempt.objects.filter(pk=attempt.pk).update(container=container)
    attempt.container = container


def note_secrets(attempt: Attempt, values: Mapping[str, str]) -> None:
    """Keep what the attempt is given and masks: a takeover does the same, though one was changed meanwhile."""
    with transaction.atomic():
        leases.renew(Attempt.objects.filter(pk=attempt.pk), attempt.fence, LEASE_SECONDS)
        attempt.secrets = json.dumps(values)
        attempt.save(update_fields=["secrets"])


def finish_attempt(attempt: Attempt, status: Status, *, reason: str = "", exit_code: int | None = None) -> None:
    """Write the verdict of an attempt and its stage, then look what follows. Raises LostLease after a takeover."""
    with transaction.atomic():
        leases.renew(Attempt.objects.filter(pk=attempt.pk), attempt.fence, LEASE_SECONDS)
        move(attempt, status, reason=reason, exit_code=exit_code, secrets="")
        move(attempt.stage, status, reason=reason)
        logs.close(attempt.log)
    settle(attempt.stage.run_id)


def settle(run_id: int) -> None:
    """Skip what cannot start any more, queue what can, and give the run its verdict when all has ended.

    Idempotent; of several callers at once each does what the others have not done.
    """
    while True:
        try:
            with transaction.atomic():
                return _settle(Run.objects.select_related("project").get(pk=run_id))
        except LostRace:
            continue  # somebody moved one of its stages first: look at what is left


def unsettled() -> list[int]:
    """Ids of running runs of which something is due: whoever should have settled them has died before."""
    standing: dict[int, list[flow.Standing]] = defaultdict(list)
    running = Stage.objects.filter(run__status=Status.RUNNING)
    for run_id, *stage in running.values_list("run", "name", "status", "needs"):
        standing[run_id].append(flow.Standing(*stage))
    return [run_id for run_id, stages in standing.items() if flow.is_due(stages)]


def cancel(run: Run, actor: str, reason: str = "") -> None:
    """Ask the run to stop: what has not started never will; what runs is stopped by the runner that owns it."""
    while True:
        try:
            with transaction.atomic():
                _cancel(Run.objects.select_related("project").get(pk=run.pk), actor, reason)
            break
        except LostRace:
            continue  # it was planned, or a stage was claimed, in this moment: look again
    settle(run.pk)


def _cancel(run: Run, actor: str, reason: str) -> None:
    asked = Run.objects.filter(pk=run.pk, cancel_requested_at=None, finished_at=None)
    if asked.update(cancel_requested_at=timezone.now(), cancel_requested_by=actor) != 1:
        return
    record(actor, "cancelled", str(run), reason=reason)
    if run.status in (Status.BLOCKED, Status.QUEUED):
        _move_run(run, Status.CANCELLED, actor=actor, reason=f"cancelled by {actor}")
    for stage in run.stages.filter(status__in=[Status.PENDING, Status.BLOCKED, Status.QUEUED]):
        move(stage, Status.CANCELLED, actor=actor, reason=f"cancelled by {actor}")


def _begin_attempt(stage: Stage, owner: str) -> Attempt:
    move(stage, Status.RUNNING)
    attempt = Attempt.objects.create(
        stage=stage,
        number=stage.attempts.count() + 1,
        status=Status.RUNNING,
        started_at=timezone.now(),
        owner=owner,
        lease_until=leases.until(LEASE_SECONDS),
        fence=1,
        log=logs.open_log(),
    )
    begin(attempt)
    return attempt


def _settle(run: Run) -> None:
    if run.status != Status.RUNNING:
        return
    stages = {stage.name: stage for stage in run.stages.all()}
    doomed, ready = flow.doomed(_standing(stages)), flow.ready(_standing(stages))
    if doomed or ready:
        # The run's row is written first, as cancel does: in different orders two could wait for each other for ever.
        Run.objects.filter(pk=run.pk).update(number=F("number"))
    for name, cause in doomed.items():
        move(stages[name], Status.SKIPPED, reason=f"{cause} did not succeed")
    for name in ready:
        move(stages[name], Status.QUEUED)
    verdict = flow.verdict(_standing(stages))
    if verdict is not None:
        _move_run(run, verdict, reason=_reason(stages))


def _standing(stages: Mapping[str, Stage]) -> list[flow.Standing]:
    return [flow.Standing(stage.name, stage.status, stage.needs) for stage in stages.values()]


def _reason(stages: Mapping[str, Stage]) -> str:
    bad = [s for s in stages.values() if s.status in FINAL - {Status.SUCCEEDED, Status.SKIPPED}]
    return "; ".join(f"{stage.name}: {stage.reason or stage.status}" for stage in bad)


def _move_run(run: Run, to: Status, *, actor: str = "", reason: str = "", **fields: Any) -> Transition:
    """A run's transition together with the messages that tell of it."""
    row = move(run, to, actor=actor, reason=reason, **fields)
    if run.project.code_host_name:
        outbox.put(row, Channel.COMMIT_STATUS)
    broken = to in BAD and run.ref == run.project.default_ref
    if broken and run.project.chat_channel:
        outbox.put(row, Channel.CHAT)
    return row
