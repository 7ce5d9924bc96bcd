"""What can be done to a run and its stages; each verb is one short transaction."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from pipelines.errors import LostRace
from pipelines.logs import store as logs
from pipelines.runs import groups, retries
from pipelines.runs.models import Approval, Attempt, Run, Stage
from pipelines.runs.planning import circumstances, grouping, may_release, parameters_of, stages_of, take_over
from pipelines.runs.settling import cancel, cancel_words, hold, make_room, move_run, settle, unsettled
from pipelines.spec.model import PipelineSpec, RetrySpec
from pipelines.spec.planning import concurrency, deployment
from pipelines.states import leases
from pipelines.states.status import Status
from pipelines.states.transitions import begin
from pipelines.states.transitions import transition as move

__all__ = [
    "LEASE_SECONDS",
    "Claim",
    "cancel",
    "claim_planning",
    "claim_stage",
    "finish_attempt",
    "let_go",
    "let_go_planning",
    "make_room",
    "note_container",
    "note_secrets",
    "pass_over",
    "plan",
    "reject",
    "renew",
    "renew_planning",
    "settle",
    "unsettled",
]

LEASE_SECONDS = 6


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to perform an attempt. `resumed`: another runner had begun it."""

    attempt: Attempt
    resumed: bool


def claim_planning(run_id: int, owner: str) -> Run:
    """Begin to plan a queued run; raises LostRace while another worker does, so that a slow clone holds only one."""
    with transaction.atomic():
        leases.take_over(Run.objects.filter(pk=run_id, status=Status.QUEUED), owner, LEASE_SECONDS)
        run = Run.objects.select_related("project", "rerun_of").get(pk=run_id)
        _refuse_unseen(run)
    return run


def renew_planning(run: Run) -> datetime | None:
    """Prolong the planner's lease; raises LostLease after a takeover, or when the run was cancelled meanwhile."""
    leases.renew(Run.objects.filter(pk=run.pk, status=Status.QUEUED), run.fence, LEASE_SECONDS)
    return None


def let_go_planning(run: Run) -> None:
    leases.let_go(Run.objects.filter(pk=run.pk), run.fence)


def plan(  # noqa: PLR0913  what is known of the commit, each by its name
    run: Run,
    spec: PipelineSpec,
    *,
    sha: str,
    digest: str,
    title: str,
    author: str,
    message: str = "",
    paths: Sequence[str] | None = None,
    sources: Sequence[Mapping[str, str]] = (),
) -> None:
    """Give a queued run its stages and start it; raises LostRace if somebody else plans, has planned or cancelled it.

    `sha` is the commit itself, where the event had named an annotated tag, or only a ref. `paths` are the files that
    the event changed; None when nobody knows. Raises SpecError for what cannot be filled in, or parameters that are
    missing or not as they were declared.
    """
    given = parameters_of(run, spec)
    text = message or title
    about = circumstances(run, sha=sha, message=text, author=author, paths=paths, parameters=given)
    stages, group = stages_of(run, spec, about), grouping(concurrency(spec, about))
    installed = deployment(spec, about)
    deploy = installed.to_json() if installed and may_release(run) else None
    with transaction.atomic():
        renew_planning(run)
        move_run(
            run,
            Status.RUNNING,
            sha=sha,
            spec_digest=digest,
            spec_sources=list(sources),
            title=title[:300],
            message=text,
            author=author[:150],
            parameters=given,
            deploy_spec=deploy,
            asks=[parameter.to_json() for parameter in spec.parameters],
            **group,
        )
        _insert(run, stages)
    settle(run.pk)
    if run.group:
        make_room(runs=[(run.project_id, run.group)])


def pass_over(run: Run, reason: str, *, sha: str, title: str, author: str, message: str = "") -> None:
    """End a queued run well and without stages: its commit asked not to be run. Raises LostRace as `plan`."""
    with transaction.atomic():
        renew_planning(run)
        move_run(
            run,
            Status.RUNNING,
            reason=reason,
            sha=sha,
            title=title[:300],
            author=author[:150],
            message=message or title,
        )
    settle(run.pk)


def reject(run: Run, status: Status, reason: str, problems: Iterable[Mapping[str, Any]] = ()) -> None:
    """End a run that cannot be planned: failed when its spec or repository is at fault, errored when we are.

    Raises LostRace as `plan`.
    """
    with transaction.atomic():
        renew_planning(run)
        move_run(run, status, reason=reason, problems=list(problems))


def claim_stage(stage_id: int, owner: str, labels: Iterable[str] = ()) -> Claim:
    """Begin a queued stage, or take over one whose runner has died; raises LostRace for anything else.

    `labels` are those of the runner that claims; it must have all that the stage asks for. A group that is full
    raises GroupFull.
    """
    with transaction.atomic():
        stage = Stage.objects.select_related("run__project").get(pk=stage_id)
        if missing := [label for label in stage.labels if label not in set(labels)]:
            raise LostRace(f"{stage} asks for a runner with {', '.join(missing)}")
        if stage.status == Status.QUEUED:
            _refuse_early(stage)
            groups.enter(stage)
            return Claim(_begin_attempt(stage, owner), resumed=False)
        attempt = stage.attempts.order_by("number").last()
        if attempt is None or attempt.is_final:
            raise LostRace(f"{stage} is {stage.status}")
        leases.take_over(Attempt.objects.filter(pk=attempt.pk), owner, LEASE_SECONDS)
    attempt.refresh_from_db()
    attempt.stage = stage
    return Claim(attempt, resumed=True)


def renew(attempt: Attempt) -> datetime | None:
    """Prolong the lease; returns when the stage or its run was asked to stop, if so. Raises LostLease as ever."""
    leases.renew(Attempt.objects.filter(pk=attempt.pk), attempt.fence, LEASE_SECONDS)
    asked = Stage.objects.filter(attempts=attempt.pk).values_list("cancel_requested_at", "run__cancel_requested_at")
    return next((at for at in asked.get() if at is not None), None)


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
    """Write the verdict of an attempt; its stage ends so, or is tried again. Then look what follows.

    Raises LostLease after a takeover.
    """
    stage = attempt.stage
    with transaction.atomic():
        leases.renew(Attempt.objects.filter(pk=attempt.pk), attempt.fence, LEASE_SECONDS)
        if status == Status.CANCELLED:
            reason = cancel_words(stage)
        move(attempt, status, reason=reason, exit_code=exit_code, secrets="")
        if not _tried_again(attempt):
            move(stage, status, reason=reason)
        logs.close(attempt.log)
    settle(stage.run_id)


def _insert(run: Run, stages: list[Stage]) -> None:
    if run.only_failed and run.rerun_of is not None:
        take_over(stages, run.rerun_of.stages.select_related("taken_from__run", "run"))
    Stage.objects.bulk_create(stages)
    for stage in run.stages.all():
        begin(stage, reason=stage.reason)
        if stage.reason:
            move(stage, Status.SUCCEEDED if stage.taken_from_id else Status.SKIPPED, reason=stage.reason)


def _refuse_unseen(run: Run) -> None:
    """Foreign code runs only where somebody of the project has agreed to exactly this commit."""
    if run.trusted:
        return
    if not Approval.objects.filter(run=run.pk, stage=None, sha=run.sha, refused=False).exists():
        raise LostRace(f"nobody has approved commit {run.short_sha} of {run}")


def _refuse_early(stage: Stage) -> None:
    run = stage.run
    _refuse_unseen(run)
    if run.cancel_requested_at is not None:
        raise LostRace(f"{run} is to stop")
    waits = stage.ready_at is not None
    if waits and not Stage.objects.filter(leases.passed("ready_at"), pk=stage.pk).exists():
        raise LostRace(f"{stage} is tried again later")


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


def _tried_again(attempt: Attempt) -> bool:
    """Put the stage back into the queue when its spec wants another attempt, and nobody asked to stop it.

    Work that takes its workers down is not given to more of them.
    """
    stage = attempt.stage
    wish = RetrySpec.from_json(stage.spec.get("retry", {}))
    pause = retries.pause_seconds(wish, attempt.number, attempt.status, attempt.exit_code)
    if pause is None or attempt.deaths >= leases.MAX_DEATHS:
        return False
    if not hold(stage.run_id, cancel_requested_at=None):
        return False
    if Stage.objects.filter(pk=stage.pk, cancel_requested_at=None).update(ready_at=leases.until(pause)) != 1:
        return False
    move(stage, Status.QUEUED, reason=f"tried again after: {attempt.reason or attempt.status}")
    return True
