"""The `deploy` section: how this software is installed on a host."""

from pipelines.spec.fields import clip, plain_number, shown
from pipelines.spec.installation import (
    DEFAULT_HEALTH_TIMEOUT_SECONDS,
    DEFAULT_PARALLEL,
    DeploySpec,
    HealthSpec,
    StrategySpec,
)
from pipelines.spec.model import StageSpec
from pipelines.spec.nodes import Node, Scalar
from pipelines.spec.nodes import Sequence as ListNode
from pipelines.spec.reference import KINDS
from pipelines.spec.values import ValueReader

_WAVE = "a number of hosts such as 2, a share such as 25%, or rest"


class DeployReader(ValueReader):
    """One method per mapping of the section."""

    def deploy(self, node: Node | None, stages: tuple[StageSpec, ...]) -> DeploySpec | None:
        deploy = self.mapping(node, "deploy", "deploy")
        if deploy is None:
            return None
        return DeploySpec(
            artifact=self._artifact(deploy.value("artifact"), stages),
            path=self.read(deploy.value("path"), "deploy.path", "host_path") or "",
            shared=self.texts(deploy.value("shared"), "deploy.shared", "path"),
            migrate=self.read(deploy.value("migrate"), "deploy.migrate", "command"),
            activate=self.read(deploy.value("activate"), "deploy.activate", "command"),
            health=self._health(deploy.value("health")),
            strategy=self._strategy(deploy.value("strategy")),
        )

    def _artifact(self, node: Node | None, stages: tuple[StageSpec, ...]) -> str:
        artifact = self.read(node, "deploy.artifact", "path")
        if node is None or artifact is None:
            return ""
        kept = [path for stage in stages for path in stage.artifacts]
        if artifact.rstrip("/") not in [path.rstrip("/") for path in kept]:
            expected = "one of " + ", ".join(kept) if kept else "a stage with `artifacts`"
            self.note(node, "deploy.artifact", f"no stage keeps {clip(artifact)}", expected)
        return artifact

    def _health(self, node: Node | None) -> HealthSpec | None:
        health = self.mapping(node, "deploy.health", "health")
        if health is None:
            return None
        return HealthSpec(
            url=self.read(health.value("url"), "deploy.health.url", "health_url"),
            command=self.read(health.value("command"), "deploy.health.command", "command"),
            timeout_seconds=self.duration(
                health.value("timeout"), "deploy.health.timeout", DEFAULT_HEALTH_TIMEOUT_SECONDS
            ),
        )

    def _strategy(self, node: Node | None) -> StrategySpec:
        strategy = self.mapping(node, "deploy.strategy", "strategy")
        if strategy is None:
            return StrategySpec()
        return StrategySpec(
            waves=self._waves(strategy.value("waves")),
            parallel=self.whole(strategy.value("parallel"), "deploy.strategy.parallel", "parallel", DEFAULT_PARALLEL),
            max_failures=self.whole(strategy.value("max_failures"), "deploy.strategy.max_failures", "failures", 0),
        )

    def _waves(self, node: Node | None) -> tuple[int | str, ...]:
        if isinstance(node, Scalar):
            wave = self._wave(node, "deploy.strategy.waves")
            return StrategySpec().waves if wave is None else (wave,)
        self.expect_items(node, "deploy.strategy.waves", _WAVE)
        if isinstance(node, ListNode):
            for index, item in enumerate(node.items[:-1]):
                if isinstance(item, Scalar) and item.text == "rest":
                    self.note(item, f"deploy.strategy.waves[{index}]", "nothing is left after rest", "rest last")
        waves: tuple[int | str, ...] = self.listing(node, "deploy.strategy.waves", self._wave, "a list of waves")
        return waves or StrategySpec().waves

    def _wave(self, node: Node, key: str) -> int | str | None:
        number = plain_number(node)
        if number:
            return number
        text = node.text if isinstance(node, Scalar) else ""
        if KINDS["rest"].fits(text) or KINDS["share"].fits(text):
            return text.replace(" ", "")
        self.note(node, key, f"{shown(node)} does not fit", _WAVE)
        return None
