"""Pure: an environment's strategy, in the words of the pipeline file and as it is stored."""

from typing import Any

from pipelines.spec.installation import StrategyKind, StrategySpec
from pipelines.spec.strategy import strategy_of

EXAMPLES = '"all_at_once", {"waves": [1, "25%", "rest"]} or {"canary": 1, "bake": "5m"}'


def read(words: Any) -> dict[str, Any] | None:
    """As it is stored; None for nothing. Raises SpecError with every mistake."""
    return None if words in (None, "", {}) else strategy_of(words).to_json()


def written(stored: Any) -> dict[str, Any] | None:
    """The words for what is stored; what is not said is the default."""
    if not stored:
        return None
    spec, default = StrategySpec.from_json(stored), StrategySpec()
    manner = {"waves": list(spec.waves)} if spec.kind == StrategyKind.WAVES else {str(spec.kind): True}
    compare = spec.compare and {"command": spec.compare.command, "tolerance": spec.compare.tolerance}
    more = {
        "parallel": spec.parallel if spec.parallel != default.parallel else None,
        "max_failures": spec.max_failures if spec.max_failures != default.max_failures else None,
        "bake": f"{spec.bake_seconds}s" if spec.bake_seconds else None,
        "compare": compare,
    }
    return {**manner, **{name: value for name, value in more.items() if value is not None}}
