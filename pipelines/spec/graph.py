"""The stages as a graph: what is wrong with their needs, in which order they can run, what is left when some go."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from pipelines.spec.model import StageSpec

Needs = Mapping[str, Sequence[str]]
"""Stage names with the names they need, in the order of the file."""


@dataclass(frozen=True, slots=True)
class Cycle:
    """Stages that wait for each other in a ring: each needs the next, the last needs the first."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return " -> ".join([*self.names, self.names[0]])


def find_cycle(needs: Needs) -> Cycle | None:
    """One ring of stages that need each other, or None; a stage that needs itself is a ring of one.

    Names that no stage has are passed over.
    """
    stuck = _stuck(needs)
    if not stuck:
        return None
    # Everything stuck needs something stuck, so walking along needs must come round.
    walk = [next(name for name in needs if name in stuck)]
    while True:
        following = next(name for name in needs[walk[-1]] if name in stuck)
        if following in walk:
            return Cycle(tuple(walk[walk.index(following) :]))
        walk.append(following)


def order(stages: Sequence[StageSpec]) -> tuple[StageSpec, ...]:
    """The stages so that each stands after all it needs, else in the order of the file; they form no cycle."""
    done: set[str] = set()
    ordered: list[StageSpec] = []
    waiting = list(stages)
    while waiting:
        ready = next(stage for stage in waiting if done.issuperset(stage.needs))
        waiting.remove(ready)
        ordered.append(ready)
        done.add(ready.name)
    return tuple(ordered)


def select(stages: Sequence[StageSpec], names: Collection[str]) -> tuple[StageSpec, ...]:
    """Only the stages called `names`; who needed a left-out stage needs instead what that one needed.

    So `build, docs, test` without `docs` is `build, test`, with `test` still after `build`.
    """
    reach: dict[str, tuple[str, ...]] = {}
    for stage in order(stages):
        kept = [near for need in stage.needs for near in ((need,) if need in names else reach[need])]
        reach[stage.name] = tuple(dict.fromkeys(kept))
    return tuple(replace(stage, needs=reach[stage.name]) for stage in stages if stage.name in names)


def _stuck(needs: Needs) -> set[str]:
    """Stages that can never start: on a cycle or after one. Names that no stage has stop nobody here."""
    open_needs = {stage: {name for name in names if name in needs} for stage, names in needs.items()}
    ready = [stage for stage, names in open_needs.items() if not names]
    dependants: dict[str, list[str]] = {stage: [] for stage in needs}
    for stage, names in open_needs.items():
        for name in names:
            dependants[name].append(stage)
    while ready:
        finished = ready.pop()
        del open_needs[finished]
        for stage in dependants[finished]:
            open_needs[stage].discard(finished)
            if not open_needs[stage]:
                ready.append(stage)
    return set(open_needs)
