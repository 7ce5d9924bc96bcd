"""Gathers from the records what a message is to say of a run."""

from pipelines.logs import store as logs
from pipelines.logs.models import Log
from pipelines.notifications.matching import is_change
from pipelines.runs import commits, standing
from pipelines.runs.models import Attempt, Run, Stage
from pipelines.runs.standing import Past
from pipelines.states.models import Transition
from pipelines.states.status import BAD
from server.notifications.errors import Refused
from server.notifications.links import run_url
from server.notifications.messages import tail_of
from server.notifications.run_words import Suspect, ToldRun
from server.notifications.words import Cause

TAIL_BYTES = 8192
LOOK_BACK = 200  # runs of a ref among which the one before is looked for
_PAST = ("number", "since", "sha", "status", "created_at", "finished_at")


def run_of(told: Transition) -> Run:
    """The run whose transition it is, or whose stage's. Raises Refused when it is no longer there."""
    runs = Run.objects.select_related("project")
    is_stage = told.subject_kind == Stage.machine.name
    found = runs.filter(stages=told.subject_id) if is_stage else runs.filter(pk=told.subject_id)
    run = found.first()
    if run is None:
        raise Refused("the run is no longer there")
    return run


def told_run(run: Run, told: Transition) -> ToldRun:
    bad = list(run.stages.filter(status__in=BAD).order_by("position")) if told.to_status in BAD else []
    blame = commits.suspects(run) if told.to_status in BAD else None
    waiting = run.stages.filter(pk=told.subject_id) if told.subject_kind == Stage.machine.name else ()
    return ToldRun(
        project=run.project.name,
        number=run.number,
        status=told.to_status,
        ref=run.ref,
        ref_name=run.ref_name,
        sha=run.sha,
        title=run.title,
        author=run.author,
        reason=told.reason,
        url=run_url(run.project.name, run.number),
        is_change=changes(run, told),
        causes=tuple(Cause(stage.name, stage.reason) for stage in bad),
        tail=_tail(bad[0]) if bad else "",
        suspects=tuple(Suspect(one.sha, one.title, one.author) for one in blame.commits) if blame else (),
        green=blame.green if blame else None,
        waits=tuple(Cause(stage.name, told.reason) for stage in waiting),
    )


def changes(run: Run, told: Transition) -> bool:
    """Whether the verdict was news for the run's ref when it came, however late it is told."""
    alike = Run.objects.filter(project=run.project_id, ref=run.ref, created_at__lte=told.at).order_by("-number")
    newest = [Past(*row) for row in alike.values_list(*_PAST)[:LOOK_BACK]]
    before, is_overtaken = standing.around(run.number, told.at, newest)
    return is_change(told.to_status, before, is_overtaken)


def end_of(log: Log) -> str:
    """The last lines of a log, without colours; it was masked before it was stored."""
    return tail_of(logs.tail(log, TAIL_BYTES).decode(errors="replace"))


def _tail(stage: Stage) -> str:
    attempt = Attempt.objects.filter(stage=stage).select_related("log").order_by("number").last()
    return end_of(attempt.log) if attempt else ""
