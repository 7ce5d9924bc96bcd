"""From records to drawings."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone

from pipelines.deploys.reads.queries import Shelf
from pipelines.runs.models import Run, Stage
from pipelines.runs.queries import Brief
from pipelines.states.status import BAD, FINAL, Status
from server.durations import clock, so_far
from server.web.drawings import graph as graphs
from server.web.drawings import ribs as bars
from server.web.drawings import ruler as rulers
from server.web.drawings import timeline as timelines

_SPOILT = " did not succeed"  # how a stage says which other one it was skipped for


def ribs(runs: Sequence[Brief]) -> bars.Ribs:
    """`runs` from oldest to newest."""
    return bars.draw([bars.Bar(run.status, so_far(run), f"run {run.number}") for run in runs])


def ruler(shelf: Shelf, *, width: int, pitch: int) -> rulers.Ruler:
    live = set(shelf.live.values())
    marks = [rulers.Mark(r.number, r.number in live, r.quarantined_at is not None) for r in shelf.releases]
    return rulers.draw(marks, shelf.live, width=width, pitch=pitch)


def graph(stages: Sequence[Stage], waits: Mapping[int, str] | None = None) -> graphs.Graph:
    """`waits`: stage id → why it has not begun."""
    waits = waits or {}
    nodes = [graphs.Node(s.name, s.status, s.needs, note(s, waits.get(s.pk)), *_combination(s.spec)) for s in stages]
    return graphs.draw(nodes)


def timeline(
    run: Run, stages: Sequence[Stage], queued_at: dict[int, datetime], waits: Mapping[int, str] | None = None
) -> timelines.Timeline:
    """`waits`: as in `graph`. A stage that is to be tried again stands as one that has not started."""

    def since(at: datetime | None) -> float | None:
        return None if at is None else (at - run.created_at).total_seconds()

    def span(stage: Stage) -> timelines.Span:
        started = stage.started_at if stage.status in FINAL | {Status.RUNNING} else None
        told = "" if started else note(stage, (waits or {}).get(stage.pk))
        times = since(queued_at.get(stage.pk)), since(started), since(stage.finished_at)
        values = _combination(stage.spec)[1]
        return timelines.Span(stage.name, stage.status, *times, told, f"{stage.base} {values}" if values else "")

    return timelines.draw([span(stage) for stage in stages], (timezone.now() - run.created_at).total_seconds())


def _combination(spec: Mapping[str, Any]) -> tuple[str, str]:
    """Of a matrix: what its bracket says, and what tells this one apart."""
    values = spec.get("values") or {}
    return (f"{spec['base']}, by {', '.join(values)}", ", ".join(values.values())) if values else ("", "")


def note(stage: Stage, why_waiting: str | None = None) -> str:
    """The second line of a plate: how long, or why not."""
    if stage.status not in FINAL | {Status.RUNNING}:
        return why_waiting or stage.status
    if stage.taken_from is not None:
        return f"from run {stage.taken_from.run.number}"
    if stage.started_at is not None:
        return clock(so_far(stage)) + (", may fail" if stage.allow_failure and stage.status in BAD else "")
    if stage.reason.endswith(_SPOILT):
        return f"no {stage.reason.removesuffix(_SPOILT)}"
    return stage.reason or stage.status
