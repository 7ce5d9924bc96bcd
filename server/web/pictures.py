"""From records to drawings."""

from collections.abc import Sequence
from datetime import datetime

from django.utils import timezone

from pipelines.deploys.queries import Shelf
from pipelines.runs.models import Run, Stage
from pipelines.states.status import Status
from server.web.drawings import graph as graphs
from server.web.drawings import ribs as bars
from server.web.drawings import ruler as rulers
from server.web.drawings import timeline as timelines
from server.web.durations import clock, so_far

_SPOILT = " did not succeed"  # how a stage says which other one it was skipped for


def ribs(runs: Sequence[Run]) -> bars.Ribs:
    """`runs` from oldest to newest."""
    return bars.draw([bars.Bar(run.status, so_far(run), f"run {run.number}") for run in runs])


def ruler(shelf: Shelf, *, width: int, pitch: int) -> rulers.Ruler:
    live = set(shelf.live.values())
    marks = [rulers.Mark(r.number, r.number in live, r.quarantined_at is not None) for r in shelf.releases]
    return rulers.draw(marks, shelf.live, width=width, pitch=pitch)


def graph(stages: Sequence[Stage]) -> graphs.Graph:
    return graphs.draw([graphs.Node(s.name, s.status, s.needs, _note(s)) for s in stages])


def timeline(run: Run, stages: Sequence[Stage], queued_at: dict[int, datetime]) -> timelines.Timeline:
    def since(at: datetime | None) -> float | None:
        return None if at is None else (at - run.created_at).total_seconds()

    spans = [
        timelines.Span(s.name, s.status, since(queued_at.get(s.pk)), since(s.started_at), since(s.finished_at))
        for s in stages
    ]
    return timelines.draw(spans, (timezone.now() - run.created_at).total_seconds())


def _note(stage: Stage) -> str:
    """The second line of a plate: how long, or why not."""
    if stage.started_at is not None:
        return clock(so_far(stage))
    if stage.status == Status.SKIPPED:
        return (
            f"no {stage.reason.removesuffix(_SPOILT)}" if stage.reason.endswith(_SPOILT) else stage.reason or "skipped"
        )
    return stage.status
