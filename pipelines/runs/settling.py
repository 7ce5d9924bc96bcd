"""What follows from where a run stands: the next stages, the verdict, and what a cancel or a newcomer stops."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from pipelines.audit.record import record
from pipelines.errors import LostRace
from pipelines.notifications.models import Topic
from pipelines.notifications.queries import has_rules
from pipelines.outbox import queue as outbox
from pipelines.outbox.models import Channel
from pipelines.runs import flow, groups
from pipelines.runs.models import Run, Stage
from pipelines.states.models import Transition
from pipelines.states.status import BAD, FINAL, Status
from pipelines.states.transitions import transition as move

WAITING = (Status.PENDING, Status.BLOCKED, Status.QUEUED)
_HEARD = {
    Status.SUCCEEDED: Topic.RUN_SUCCEEDED,
    Status.FAILED: Topic.RUN_FAILED,
    Status.ERRORED: Topic.RUN_FAILED,
}
_STANDING = ("name", "status", "needs", "starts_on", "allow_failure")


def settle(run_id: int) -> None:
    """Skip what cannot start any more, queue what can, and give the run its verdict when all has ended.

    Idempotent; of several callers at once each does what the others have not done.
    """
    while True:
        try:
            with transaction.atomic():
                come = _settle(Run.objects.select_related("project").get(pk=run_id))
            break
        except LostRace:
            continue  # somebody moved one of its stages first: look at what is left
    keys = {(stage.run.project_id, stage.group) for stage in come if stage.group_cancel != "none"}
    if keys:
        make_room(stages=keys)


def unsettled() -> list[int]:
    """Ids of running runs of which something is due: whoever should have settled them has died before."""
    standing: dict[int, list[flow.Standing]] = defaultdict(list)
    stopped: set[int] = set()
    running = Stage.objects.filter(run__status=Status.RUNNING, run__finished_at=None)
    for run_id, asked_at, *stage in running.values_list("run", "run__cancel_requested_at", *_STANDING):
        standing[run_id].append(flow.Standing(*stage))
        if asked_at is not None and stage[1] in WAITING:
            stopped.add(run_id)
    return [run_id for run_id, stages in standing.items() if run_id in stopped or flow.is_due(stages)]


def cancel(run: Run, actor: str, reason: str = "") -> None:
    """Ask the run to stop: what has not started never will; what runs is stopped by the runner that owns it."""
    _cancel(run.pk, actor, f"cancelled by {actor}", reason)


def make_room(runs: Iterable[groups.Key] | None = None, stages: Iterable[groups.Key] | None = None) -> None:
    """Stop what a later run of its group sends away, in these groups; with neither, in all there are. Idempotent."""
    everywhere = runs is None and stages is None
    for run_id, number in groups.superseded_runs(None if everywhere else runs or ()).items():
        _cancel(run_id, "", f"superseded by run {number}", "")
    for stage_id, number in groups.superseded_stages(None if everywhere else stages or ()).items():
        _cancel_stage(stage_id, f"superseded by run {number}")


def supersede(older: Run, why: str) -> None:
    """End a run that has not begun, in the caller's transaction. Raises LostRace when it has."""
    move_run(older, Status.CANCELLED, reason=why, cancel_requested_at=timezone.now(), cancel_why=why)


def cancel_words(stage: Stage) -> str:
    """Why a stage was stopped, by whoever asked for it or for all of its run."""
    asked = Stage.objects.filter(pk=stage.pk).values_list("cancel_why", "run__cancel_why").get()
    return next((why for why in asked if why), "cancelled")


def move_run(run: Run, to: Status, *, actor: str = "", reason: str = "", **fields: Any) -> Transition:
    """A run's transition together with the messages that tell of it."""
    row = move(run, to, actor=actor, reason=reason, **fields)
    if run.project.code_host_name:
        outbox.put(row, Channel.COMMIT_STATUS)
    broken = to in BAD and run.ref == run.project.default_ref
    if broken and run.project.chat_channel:
        outbox.put(row, Channel.CHAT)
    if to in _HEARD and has_rules(run.project_id):
        outbox.put(row, Channel.RULES, _HEARD[to])
    return row


def hold(run_id: int, **conditions: Any) -> bool:
    """Write the run's row, so that those who move several of its stages come one by one; False if it is not so.

    Whoever writes a run and its stages writes the run first: in different orders two could wait for each other forever.
    """
    return Run.objects.filter(pk=run_id, **conditions).update(number=F("number")) == 1


def _cancel(run_id: int, actor: str, why: str, reason: str) -> None:
    while True:
        try:
            with transaction.atomic():
                run = Run.objects.select_related("project").get(pk=run_id)
                if not _ask_to_stop(run, actor, why):
                    return
                if actor:
                    record(actor, "cancelled", str(run), reason=reason)
            break
        except LostRace:
            continue  # it was planned, or a stage was claimed, in this moment: look again
    settle(run_id)


def _ask_to_stop(run: Run, actor: str, why: str) -> bool:
    asked = Run.objects.filter(pk=run.pk, cancel_requested_at=None, finished_at=None)
    now = timezone.now()
    if asked.update(cancel_requested_at=now, cancel_requested_by=actor, cancel_why=why[:300]) != 1:
        return False
    if run.status in (Status.BLOCKED, Status.QUEUED):
        move_run(run, Status.CANCELLED, actor=actor, reason=why)
    _stop_waiting(run, actor, why)
    return True


def _stop_waiting(run: Run, actor: str, why: str) -> None:
    for stage in run.stages.filter(status__in=WAITING):
        move(stage, Status.CANCELLED, actor=actor, reason=why)


def _cancel_stage(stage_id: int, why: str) -> None:
    """Of a run that goes on otherwise. One that runs is stopped by its runner, which hears of it when it renews."""
    while True:
        try:
            with transaction.atomic():
                stage = Stage.objects.get(pk=stage_id)
                hold(stage.run_id)
                stage.refresh_from_db()
                asked = Stage.objects.filter(pk=stage_id, cancel_requested_at=None, finished_at=None)
                if asked.update(cancel_requested_at=timezone.now(), cancel_why=why) != 1:
                    return
                if stage.status in WAITING:
                    move(stage, Status.CANCELLED, reason=why)
            break
        except LostRace:
            continue  # it was claimed in this moment: look again
    settle(stage.run_id)


def ask(run: Run, row: Transition) -> None:
    """Whoever a rule names hears when the run, or a stage of it, waits for somebody's word."""
    if row.to_status == Status.BLOCKED and has_rules(run.project_id):
        outbox.put(row, Channel.RULES, Topic.RUN_ASKS)


def _settle(run: Run) -> list[Stage]:
    """The stages that came to the queue by it."""
    if run.status != Status.RUNNING:
        return []
    if run.cancel_requested_at is not None and hold(run.pk):
        _stop_waiting(run, run.cancel_requested_by, run.cancel_why or "cancelled")
    stages = {stage.name: stage for stage in run.stages.all()}
    come: list[Stage] = []
    while following := _following(stages):
        if not come:
            hold(run.pk)
        for stage, to, reason in following:
            row = move(stage, to, reason=reason)
            ask(run, row)
            come += [stage] if to == Status.QUEUED else []
    verdict = flow.verdict(_standing(stages))
    if verdict is not None:
        move_run(run, verdict, reason=_reason(stages) or run.reason)
    return come


def _following(stages: Mapping[str, Stage]) -> list[tuple[Stage, Status, str]]:
    """What is to be moved now, where to, and why; more may follow from it."""
    standing = _standing(stages)
    lost = flow.doomed(standing)
    return [
        *((stages[name], Status.SKIPPED, f"{cause} did not succeed") for name, cause in lost.items()),
        *((stages[name], Status.SKIPPED, "nothing that it needs has failed") for name in flow.unneeded(standing)),
        *(_started(stages[name]) for name in flow.ready(standing)),
    ]


def _started(stage: Stage) -> tuple[Stage, Status, str]:
    if stage.approvals == 0:
        return stage, Status.QUEUED, ""
    people = "one person" if stage.approvals == 1 else f"{stage.approvals} people"
    return stage, Status.BLOCKED, f"{people} must agree first"


def _standing(stages: Mapping[str, Stage]) -> list[flow.Standing]:
    return [flow.Standing(*(getattr(stage, name) for name in _STANDING)) for stage in stages.values()]


def _reason(stages: Mapping[str, Stage]) -> str:
    bad = [s for s in stages.values() if s.status in FINAL - {Status.SUCCEEDED, Status.SKIPPED}]
    told = [f"{s.name}: {s.reason or s.status}" for s in bad if not (s.allow_failure and s.status in BAD)]
    return "; ".join(told)
