"""From a parsed spec to the stages of a run."""

from pipelines.runs.models import EventKind, Run, Stage
from pipelines.spec.conditions import applies
from pipelines.spec.graph import select
from pipelines.spec.model import PipelineSpec, StageSpec
from pipelines.states.status import Status

# Only these are deployable: a pull request's commit is nobody's decision yet.
RELEASING = frozenset({EventKind.PUSH, EventKind.TAG})


def stages_of(run: Run, spec: PipelineSpec) -> list[Stage]:
    """Unsaved stages in the order of the file.

    A stage whose `when` does not match is skipped and stands in nobody's way: whoever needed it needs what it needed.
    """
    kept = {stage.name for stage in spec.stages if applies(stage.when, run.event_kind, run.ref)}
    selected = {stage.name: stage for stage in select(spec.stages, kept)}
    return [
        _stage(run, position, selected.get(stage.name, stage), skipped=stage.name not in kept)
        for position, stage in enumerate(spec.stages)
    ]


def may_release(run: Run) -> bool:
    return run.trusted and run.event_kind in RELEASING


def _stage(run: Run, position: int, spec: StageSpec, *, skipped: bool) -> Stage:
    return Stage(
        run=run,
        name=spec.name,
        position=position,
        needs=list(spec.needs),
        spec=spec.to_json(),
        status=Status.PENDING,
        reason=f"its `when` does not match {run.get_event_kind_display()} {run.ref}" if skipped else "",
    )
