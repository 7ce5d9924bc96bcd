"""From a pipeline and what happened to the stages of a run: chosen, multiplied by their matrix, filled in."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pipelines.errors import UserError
from pipelines.spec import conditions, graph
from pipelines.spec.conditions import Circumstances
from pipelines.spec.filling import Filler
from pipelines.spec.matrix import stage_name
from pipelines.spec.model import ConcurrencySpec, DeploySpec, PipelineSpec, StageSpec
from pipelines.spec.parameters import defaults

_ORDER = ("succeeded", "failed")
_ALONE: tuple[Mapping[str, str], ...] = ({},)  # the one combination of a stage without a matrix


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """One stage of a run; `skipped` says why it is none, in words, and is empty otherwise.

    A stage that is skipped is as it stands in the file, with nothing filled in.
    """

    spec: StageSpec
    skipped: str


def planned(spec: PipelineSpec, circumstances: Circumstances) -> tuple[PlannedStage, ...]:
    """Every stage, in the order of the file, a matrix's combinations side by side.

    Who needs a stage with a matrix needs all its combinations; who needs a skipped stage needs what that one needed.
    Raises UserError with every value that does not fit once it is filled in.
    """
    circumstances = _complete(spec, circumstances)
    stages = _multiplied(spec.stages)
    skipped = {stage.name: _skipped(spec, stage, circumstances) for stage in stages}
    kept = {stage.name: stage for stage in graph.select(stages, {name for name, why in skipped.items() if not why})}
    faults: list[str] = []
    ready = {name: _filled(stage, circumstances, faults) for name, stage in kept.items()}
    if faults:
        raise UserError("\n".join(faults))
    return tuple(PlannedStage(ready.get(stage.name, stage), skipped[stage.name]) for stage in stages)


def concurrency(spec: PipelineSpec, circumstances: Circumstances) -> ConcurrencySpec | None:
    """The group of the whole run, filled in. Raises UserError if it does not fit."""
    filler = Filler(conditions.facts(_complete(spec, circumstances), {}), "the run")
    filled = filler.concurrency(spec.concurrency)
    if filler.faults:
        raise UserError("\n".join(filler.faults))
    return filled


def deployment(spec: PipelineSpec, circumstances: Circumstances) -> DeploySpec | None:
    """How the run's release is installed, filled in. Raises UserError if it does not fit."""
    if spec.deploy is None:
        return None
    filler = Filler(conditions.facts(_complete(spec, circumstances), {}), "deploy")
    filled = replace(spec.deploy, image=filler.text(spec.deploy.image, "image", "image_tag"))
    if filler.faults:
        raise UserError("\n".join(filler.faults))
    return filled


def _complete(spec: PipelineSpec, circumstances: Circumstances) -> Circumstances:
    return replace(circumstances, parameters={**defaults(spec.parameters), **circumstances.parameters})


def _multiplied(stages: tuple[StageSpec, ...]) -> list[StageSpec]:
    """One stage for each combination; needs lead to all combinations of a stage."""
    names = {stage.name: [stage_name(stage.name, values) for values in stage.matrix or _ALONE] for stage in stages}
    return [
        replace(
            stage,
            name=stage_name(stage.name, values),
            base=stage.name,
            values=values,
            matrix=(),
            needs=tuple(name for need in stage.needs for name in names[need]),
        )
        for stage in stages
        for values in stage.matrix or _ALONE
    ]


def _skipped(spec: PipelineSpec, stage: StageSpec, circumstances: Circumstances) -> str:
    for when, whose in ((spec.when, "the file's"), (stage.file_when, "its file's"), (stage.when, "its")):
        if why := conditions.refusal(when, circumstances, stage.values):
            return f"{whose} `when` does not match: {why}"
    return ""


def _filled(stage: StageSpec, circumstances: Circumstances, faults: list[str]) -> StageSpec:
    filler = Filler(conditions.facts(circumstances, stage.values), f"stage {stage.name}")
    filled = filler.stage(replace(stage, status=_status(stage, circumstances)))
    faults += filler.faults
    return filled


def _status(stage: StageSpec, circumstances: Circumstances) -> tuple[str, ...]:
    """How what it needs may have ended: all that the agreeing parts of `when` say."""
    if not stage.when:
        return stage.status
    found = {status for when in conditions.fitting(stage.when, circumstances, stage.values) for status in when.status}
    return tuple(status for status in _ORDER if status in found)
