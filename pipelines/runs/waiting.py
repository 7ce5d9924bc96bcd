"""Why a stage has not begun, in words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.utils import timezone

from pipelines.runs import groups
from pipelines.runs.models import Approval, Stage
from pipelines.states.status import FINAL, Status


@dataclass(frozen=True, slots=True)
class Fleet:
    """What can perform stages now: the labels of each runner that takes some, and how many more they can take."""

    labels: Sequence[frozenset[str]]
    free: int
    total: int


@dataclass(frozen=True, slots=True)
class Facts:
    """All that can hold a stage back; see `words`."""

    status: str
    needs: Sequence[str] = ()
    labels: Sequence[str] = ()
    group: str = ""
    group_ahead: int = 0
    run_group: str = ""
    runs_ahead: int = 0
    teams: Sequence[str] = ()
    approvals: int = 0
    agreed: int = 0
    ready_in_seconds: float = 0.0
    queue_ahead: int = 0
    fleet: Fleet | None = None
    is_unseen: bool = False


def words(facts: Facts) -> str:
    """Pure: one short phrase, or empty for what waits for nothing."""
    if facts.status == Status.PENDING:
        return f"waits for {_listed(facts.needs)}" if facts.needs else ""
    if facts.status == Status.BLOCKED:
        return _approval(facts)
    if facts.status != Status.QUEUED:
        return ""
    return next((text for text in _held(facts) if text), "")


def waiting(stages: Iterable[Stage], fleet: Fleet | None = None) -> dict[int, str]:
    """Stage id → why it waits, for those that do; six queries at most, however many stages.

    `fleet` is what the roster knows of the runners; without it nothing is said of them.
    """
    return {stage_id: text for stage_id, facts in _facts(list(stages), fleet).items() if (text := words(facts))}


def _held(facts: Facts) -> Iterable[str]:
    yield "approval of its commit" if facts.is_unseen else ""
    yield f"tried again in {max(round(facts.ready_in_seconds), 1)} s" if facts.ready_in_seconds > 0 else ""
    yield f"{_runs(facts.runs_ahead)} ahead in group {facts.run_group}" if facts.runs_ahead else ""
    yield f"{facts.group_ahead} ahead in group {facts.group}" if facts.group_ahead else ""
    yield _of_runners(facts.labels, facts.queue_ahead, facts.fleet) if facts.fleet else ""
    yield f"{_stages(facts.queue_ahead)} ahead" if facts.queue_ahead else ""


def _of_runners(labels: Sequence[str], ahead: int, fleet: Fleet) -> str:
    if not fleet.labels:
        return "no runner is there"
    if not any(own.issuperset(labels) for own in fleet.labels):
        alone = [label for label in labels if not any(label in own for own in fleet.labels)]
        kind = "label" if len(alone or labels) == 1 else "labels"
        return f"no runner with {kind} {_listed(alone or labels)}"
    if fleet.free > 0:
        return ""
    busy = "the only runner is busy" if fleet.total == 1 else f"all {fleet.total} runners are busy"
    return f"{busy}, {_stages(ahead)} ahead" if ahead else busy


def _approval(facts: Facts) -> str:
    whom = f" by {' or '.join(facts.teams)}" if facts.teams else ""
    count = f" ({facts.agreed} of {facts.approvals})" if facts.approvals > 1 else ""
    return f"approval{whom}{count}"


def _listed(names: Sequence[str]) -> str:
    shown = list(names[:3]) + ([f"{len(names) - 3} more"] if len(names) > 3 else [])
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"


def _stages(count: int) -> str:
    return "1 stage" if count == 1 else f"{count} stages"


@dataclass(slots=True)
class _Around:
    """What the stages wait beside, in one look."""

    stages_ahead: Mapping[int, int]
    runs_ahead: Mapping[int, int]
    agreed: Mapping[int, int]
    queue: Mapping[int, int]
    unseen: frozenset[int]
    status: Mapping[tuple[int, str], str]
    now: datetime = field(default_factory=timezone.now)


def _facts(stages: Sequence[Stage], fleet: Fleet | None) -> dict[int, Facts]:
    held = [stage for stage in stages if stage.status not in FINAL | {Status.RUNNING}]
    if not held:
        return {}
    around = _look_around(held)
    return {stage.pk: _of(stage, around, fleet) for stage in held}


def _of(stage: Stage, around: _Around, fleet: Fleet | None) -> Facts:
    approval = stage.spec.get("approval") or {}
    pause = (stage.ready_at - around.now).total_seconds() if stage.ready_at else 0.0
    return Facts(
        status=stage.status,
        needs=[need for need in stage.needs if around.status.get((stage.run_id, need)) not in FINAL],
        labels=stage.labels,
        group=stage.group,
        group_ahead=around.stages_ahead.get(stage.pk, 0),
        run_group=stage.run.group,
        runs_ahead=around.runs_ahead.get(stage.run_id, 0),
        teams=approval.get("teams", ()),
        approvals=stage.approvals,
        agreed=around.agreed.get(stage.pk, 0),
        ready_in_seconds=pause,
        queue_ahead=around.queue.get(stage.pk, 0),
        fleet=fleet,
        is_unseen=stage.run_id in around.unseen,
    )


def _look_around(held: Sequence[Stage]) -> _Around:
    run_ids = {stage.run_id for stage in held}
    standing = Stage.objects.filter(run__in=run_ids).values_list("run_id", "name", "status")
    queued = Stage.objects.filter(status=Status.QUEUED, finished_at=None).order_by("run_id", "position")
    agreed: dict[int, int] = {}
    for stage_id in Approval.objects.filter(stage__in=held, refused=False).values_list("stage_id", flat=True):
        agreed[stage_id or 0] = agreed.get(stage_id or 0, 0) + 1
    return _Around(
        stages_ahead=groups.stages_ahead({(s.run.project_id, s.group) for s in held if s.group}),
        runs_ahead=groups.runs_ahead({(s.run.project_id, s.run.group) for s in held if s.run.group}),
        agreed=agreed,
        queue={stage_id: place for place, stage_id in enumerate(queued.values_list("pk", flat=True))},
        unseen=_unseen(held),
        status={(run_id, name): status for run_id, name, status in standing},
    )


def _unseen(held: Sequence[Stage]) -> frozenset[int]:
    foreign = {stage.run_id: stage.run.sha for stage in held if not stage.run.trusted}
    if not foreign:
        return frozenset()
    seen = Approval.objects.filter(run__in=foreign, stage=None, refused=False).values_list("run_id", "sha")
    return frozenset(foreign) - {run_id for run_id, sha in seen if foreign[run_id] == sha}
