"""A run once more: the same event and commit, all of it or only what failed."""

from django.db import transaction
from django.db.models import QuerySet

from pipelines.audit.record import record
from pipelines.errors import UserError
from pipelines.outbox import queue as outbox
from pipelines.outbox.models import Channel
from pipelines.runs.models import Approval, Run
from pipelines.runs.receiving import UNSEEN, next_number
from pipelines.runs.settling import ask, hold
from pipelines.states.status import Status
from pipelines.states.transitions import begin


class NothingToRerun(UserError):
    """The run has not ended, was never planned, or nothing in it failed."""


def rerun(run: Run, actor: str, *, only_failed: bool = False) -> Run:
    """A new run of what `run` was of; it plans from the same commit. What is under way already is given back instead.

    With `only_failed` it takes over what had succeeded, with its artifacts and logs. Foreign code needs its approval:
    that of this commit counts. Raises NothingToRerun.
    """
    _refuse(run, only_failed)
    with transaction.atomic():
        hold(run.pk)  # clicks at the same moment come one by one
        return _under_way(run, only_failed) or _insert(run, actor, only_failed)


def _refuse(run: Run, only_failed: bool) -> None:
    if not run.is_final:
        raise NothingToRerun(f"{run} has not ended: cancel it first, or wait")
    if not run.sha:
        raise NothingToRerun(f"{run} never got as far as a commit: start it anew")
    if only_failed and run.status == Status.SUCCEEDED:
        raise NothingToRerun(f"nothing in {run} failed")


def _under_way(run: Run, only_failed: bool) -> Run | None:
    return Run.objects.filter(rerun_of=run, only_failed=only_failed, finished_at=None).order_by("pk").first()


def _insert(run: Run, actor: str, only_failed: bool) -> Run:
    seen = run.trusted or _given(run).exists()
    made = Run.objects.create(
        project=run.project,
        number=next_number(run.project, "next_run_number"),
        key=f"{run.project_id} rerun {run.pk} after {_last(run)}",
        since=run.since or run.number,
        rerun_of=run,
        only_failed=only_failed,
        event_kind=run.event_kind,
        ref=run.ref,
        sha=run.sha,
        before=run.before,
        target=run.target,
        title=run.title,
        message=run.message,
        author=run.author,
        asked_by=actor,
        parameters=run.parameters,
        only=run.only,
        trusted=run.trusted,
        status=Status.QUEUED if seen else Status.BLOCKED,
        reason="" if seen else UNSEEN,
    )
    row = begin(made, actor=actor, reason=f"{'what failed in ' if only_failed else ''}run {run.number} again")
    ask(made, row)
    if run.project.code_host_name:
        outbox.put(row, Channel.COMMIT_STATUS)
    _carry_approvals(run, made)
    record(actor, "reran", str(run), rerun=made.number, only_failed=only_failed)
    return made


def _last(run: Run) -> int:
    return run.reruns.order_by("number").values_list("number", flat=True).last() or 0


def _carry_approvals(run: Run, made: Run) -> None:
    if not run.trusted:
        Approval.objects.bulk_create(
            [Approval(run=made, person_id=w.person_id, actor=w.actor, sha=w.sha) for w in _given(run)]
        )


def _given(run: Run) -> QuerySet[Approval]:
    return Approval.objects.filter(run=run, stage=None, sha=run.sha, refused=False)
