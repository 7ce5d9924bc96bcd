"""The `strategy` of a deploy: in which manner the hosts are brought over."""

import json
from typing import Any

from pipelines.spec.errors import Problem, SpecError
from pipelines.spec.fields import join, plain_number, shown
from pipelines.spec.installation import DEFAULT_PARALLEL, CompareSpec, Share, StrategyKind, StrategySpec
from pipelines.spec.nodes import Mapping, Node, Scalar, read_source, read_tree
from pipelines.spec.nodes import Sequence as ListNode
from pipelines.spec.policies import decimal
from pipelines.spec.reference import KINDS
from pipelines.spec.values import ValueReader

_WAVE = "a number of hosts such as 2, a share such as 25%, or rest"
_SHARE = "a number of hosts such as 2, or a share such as 10%"
_ALL = ("rest",)
_BY_WORD = {
    "all_at_once": StrategySpec(waves=_ALL),
    "blue_green": StrategySpec(kind=StrategyKind.BLUE_GREEN, waves=_ALL),
    "replace": StrategySpec(kind=StrategyKind.REPLACE, waves=_ALL),
}


class StrategyReader(ValueReader):
    """What is missing is the model's default."""

    def strategy(self, node: Node | None, key: str) -> StrategySpec:
        if isinstance(node, Scalar):
            word = self.read(node, key, "strategy_name")
            return _BY_WORD[word] if word else StrategySpec()
        strategy = self.mapping(node, key, "strategy")
        if strategy is None:
            return StrategySpec()
        kind, waves = self._manner(strategy, key)
        spec = StrategySpec(
            kind=kind,
            waves=waves,
            parallel=self.whole(strategy.value("parallel"), join(key, "parallel"), "parallel", DEFAULT_PARALLEL),
            max_failures=self._share(strategy.value("max_failures"), join(key, "max_failures"), "failures", 0),
            bake_seconds=self.duration(strategy.value("bake"), join(key, "bake"), 0),
            compare=self._compare(strategy.value("compare"), join(key, "compare")),
            remove_first=self._remove_first(strategy, join(key, "remove_first"), kind),
        )
        self._check_remainder(strategy, key, spec)
        return spec

    def _manner(self, strategy: Mapping, key: str) -> tuple[StrategyKind, tuple[Share, ...]]:
        for name in ("blue_green", "replace"):
            if self.boolean(strategy.value(name), join(key, name)):
                return _BY_WORD[name].kind, _ALL
        canary = strategy.value("canary")
        if canary is not None:
            return StrategyKind.WAVES, (self._share(canary, join(key, "canary"), "hosts", 1), "rest")
        return StrategyKind.WAVES, self._waves(strategy.value("waves"), join(key, "waves"))

    def _remove_first(self, strategy: Mapping, key: str, kind: StrategyKind) -> bool:
        node = strategy.value("remove_first")
        remove_first = self.boolean(node, key)
        if node is not None and remove_first and kind != StrategyKind.REPLACE:
            self.note(node, key, "no machines are replaced", "it beside `replace: true`")
        return remove_first

    def _waves(self, node: Node | None, key: str) -> tuple[Share, ...]:
        if isinstance(node, Scalar):
            wave = self._wave(node, key)
            return StrategySpec().waves if wave is None else (wave,)
        self.expect_items(node, key, _WAVE)
        if isinstance(node, ListNode):
            for index, item in enumerate(node.items[:-1]):
                if isinstance(item, Scalar) and item.text == "rest":
                    self.note(item, f"{key}[{index}]", "nothing is left after rest", "rest last")
        waves: tuple[Share, ...] = self.listing(node, key, self._wave, "a list of waves")
        return waves or StrategySpec().waves

    def _wave(self, node: Node, key: str) -> Share | None:
        number = plain_number(node)
        if number:
            return number
        text = node.text if isinstance(node, Scalar) else ""
        if KINDS["rest"].fits(text) or KINDS["share"].fits(text):
            return text.replace(" ", "")
        self.note(node, key, f"{shown(node)} does not fit", _WAVE)
        return None

    def _share(self, node: Node | None, key: str, kind: str, default: int) -> Share:
        """A number of hosts within the bounds of its kind, or a share of them."""
        if node is None:
            return default
        if isinstance(node, Scalar) and KINDS["share"].fits(node.text):
            return node.text.replace(" ", "")
        if plain_number(node) is None:
            self.note(node, key, f"{shown(node)} does not fit", _SHARE)
            return default
        return self.whole(node, key, kind, default)

    def _compare(self, node: Node | None, key: str) -> CompareSpec | None:
        if isinstance(node, Scalar):
            command = self.read(node, key, "command")
            return None if command is None else CompareSpec(command)
        compare = self.mapping(node, key, "compare")
        if compare is None:
            return None
        command = self.read(compare.value("command"), join(key, "command"), "command") or ""
        return CompareSpec(command, self._tolerance(compare.value("tolerance"), join(key, "tolerance")))

    def _tolerance(self, node: Node | None, key: str) -> float:
        default, told = CompareSpec("").tolerance, KINDS["tolerance"]
        if node is None:
            return default
        number = decimal(node)
        if number is None or not (told.least or 0) <= number <= (told.most or number):
            self.note(node, key, f"{shown(node)} does not fit", told.means)
            return default
        return number

    def _check_remainder(self, strategy: Mapping, key: str, spec: StrategySpec) -> None:
        """When all come at once there are no others to wait before or to compare with."""
        others = spec.kind != StrategyKind.REPLACE and (spec.kind, spec.waves) != (StrategyKind.WAVES, _ALL)
        for name in ("bake", "compare"):
            node = strategy.value(name)
            if node is not None and not others:
                self.note(node, join(key, name), "all hosts come at once, so no others are left", "`canary` or `waves`")


def strategy_of(stored: Any) -> StrategySpec:
    """The strategy that an environment writes as JSON, in the words of the pipeline file: `{"canary": 1, "bake": "5m"}`
    or `"all_at_once"`. Raises SpecError with every mistake in it."""
    source = read_source(json.dumps(stored, ensure_ascii=False), "strategy")
    problems: list[Problem] = []
    spec = StrategyReader(source, problems).strategy(read_tree(source), "strategy")
    if problems:
        raise SpecError("strategy", problems)
    return spec
