"""From a parsed spec to the stages of a run."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipelines.errors import UserError
from pipelines.runs.models import MAX_GROUP, EventKind, Run, Stage
from pipelines.spec.conditions import Circumstances
from pipelines.spec.model import ConcurrencySpec, PipelineSpec, StageSpec
from pipelines.spec.parameters import check, defaults
from pipelines.spec.planning import planned
from pipelines.states.status import Status

# Only these are deployable: a pull request's commit is nobody's decision yet.
RELEASING = frozenset({EventKind.PUSH, EventKind.TAG})
# A person or a schedule that asks for a run means it, and a tag is no everyday commit.
SKIPPABLE = frozenset({EventKind.PUSH, EventKind.PULL_REQUEST})
_SKIP = re.compile(r"\[(?:skip ci|ci skip|no ci)\]", re.IGNORECASE)


def skip_word(kind: str, message: str) -> str:
    """What in a commit's message asks that it is not run; empty if nothing does, or such an event does not heed it."""
    found = _SKIP.search(message) if kind in SKIPPABLE else None
    return found[0] if found else ""


def parameters_of(run: Run, spec: PipelineSpec) -> dict[str, str]:
    """What was given, checked; where nobody was asked, the defaults, or what the first run of a rerun had.

    Raises UserError with all that is wrong.
    """
    was_asked = run.event_kind in (EventKind.MANUAL, EventKind.API, EventKind.SCHEDULE) or run.parameters
    if was_asked and run.rerun_of is None:
        return check(spec.parameters, run.parameters)
    return {**defaults(spec.parameters), **run.parameters}


def circumstances(
    run: Run, *, sha: str, message: str, author: str, paths: Sequence[str] | None, parameters: Mapping[str, str]
) -> Circumstances:
    """What conditions and `${{ … }}` may ask of the run. `paths` is None where nobody knows what has changed."""
    return Circumstances(
        event=run.event_kind,
        ref=run.ref,
        sha=sha,
        paths=None if paths is None else tuple(paths),
        message=message,
        author=author,
        target=run.target,
        parameters=dict(parameters),
    )


def stages_of(run: Run, spec: PipelineSpec, about: Circumstances) -> list[Stage]:
    """Unsaved stages in the order of the file. One that is not for these circumstances, or was not asked for, bears the
    reason. Raises UserError when the run asks for a stage that there is not."""
    stages = list(planned(spec, about))
    wanted = _wanted(run.only, [one.spec for one in stages])
    return [
        _stage(run, position, one.spec, one.skipped or ("" if one.spec.name in wanted else "it was not asked for"))
        for position, one in enumerate(stages)
    ]


def asks_for_paths(spec: PipelineSpec) -> bool:
    """Whether anything in it depends on which files an event changed: git is only asked then."""
    whens = [when for stage in spec.stages for when in (*stage.when, *stage.file_when)]
    return any(when.paths or "paths" in when.condition for when in (*spec.when, *whens))


def may_release(run: Run) -> bool:
    return run.trusted and run.event_kind in RELEASING


def take_over(stages: Sequence[Stage], earlier: Iterable[Stage]) -> None:
    """Note which of `stages`, in the order of their needs, need not run, as the same stage of an earlier run succeeded.

    The same is one that reads the same. What runs when something failed is only taken over with all that it needed.
    """
    done = {stage.name: stage for stage in earlier if stage.status == Status.SUCCEEDED}
    taken: set[str] = set()
    for stage in stages:
        before = done.get(stage.name)
        if before is None or stage.reason or before.spec != stage.spec:
            continue
        if "failed" not in stage.starts_on or taken.issuperset(stage.needs):
            taken.add(stage.name)
            stage.taken_from = before.taken_from or before
            stage.reason = f"taken over from run {stage.taken_from.run.number}"


def grouping(spec: ConcurrencySpec | None) -> dict[str, Any]:
    """A place in a concurrency group, as the columns of a run or stage. A very long name is cut, and stays its own."""
    if spec is None:
        return {"group": ""}
    digest = hashlib.sha256(spec.group.encode()).hexdigest()[:16]
    name = spec.group if len(spec.group) <= MAX_GROUP else f"{spec.group[: MAX_GROUP - 17]}…{digest}"
    return {"group": name, "group_limit": spec.limit, "group_cancel": spec.cancel}


def _wanted(only: Sequence[str], stages: Sequence[StageSpec]) -> set[str]:
    """Names of the stages that were asked for, by their full names or those in the file, and of all that they need."""
    if unknown := set(only) - {name for stage in stages for name in (stage.name, stage.base)}:
        raise UserError(f"there is no stage {', '.join(sorted(unknown))} in this run")
    needs = {stage.name: stage.needs for stage in stages}
    waiting = [stage.name for stage in stages if not only or stage.name in only or stage.base in only]
    wanted: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting += needs[name]
    return wanted


def _stage(run: Run, position: int, spec: StageSpec, skipped: str) -> Stage:
    return Stage(
        run=run,
        name=spec.name,
        base=spec.base or spec.name,
        position=position,
        needs=list(spec.needs),
        starts_on=list(spec.status),
        allow_failure=spec.allow_failure,
        approvals=spec.approval.count if spec.approval else 0,
        labels=list(spec.labels),
        **grouping(spec.concurrency),
        spec=spec.to_json(),
        status=Status.PENDING,
        reason=skipped,
    )
