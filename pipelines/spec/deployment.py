"""The `deploy` section: how this software is installed on a host."""

from pipelines.spec import fields
from pipelines.spec.fields import KEYS, Reader, clip, join
from pipelines.spec.model import (
    DEFAULT_HEALTH_TIMEOUT_SECONDS,
    DEFAULT_PARALLEL,
    DeploySpec,
    HealthSpec,
    StageSpec,
    StrategySpec,
)
from pipelines.spec.nodes import Node, Scalar
from pipelines.spec.nodes import Sequence as ListNode

_DEPLOY_EXPECTED = {
    "artifact": "a path that a stage keeps under `artifacts`",
    "path": "an absolute path such as /srv/shop, of letters, digits and ._@+-",
}
_WAVE = "a number of hosts such as 2, a share such as 25%, or rest"


class DeployReader(Reader):
    """One method per mapping of the section."""

    def deploy(self, node: Node | None, stages: tuple[StageSpec, ...]) -> DeploySpec | None:
        deploy = self.mapping(node, "deploy", KEYS["deploy"], "a mapping with `artifact` and `path`")
        if deploy is None:
            return None
        for name in ("artifact", "path"):
            if deploy.value(name) is None:
                self.note(deploy, join("deploy", name), "this key is missing", _DEPLOY_EXPECTED[name])
        return DeploySpec(
            artifact=self._artifact(deploy.value("artifact"), stages),
            path=self._host_path(deploy.value("path")),
            shared=self.distinct(deploy.value("shared"), "deploy.shared", self.inner_path, "a list of paths"),
            migrate=self.text(deploy.value("migrate"), "deploy.migrate", "a command"),
            activate=self.text(deploy.value("activate"), "deploy.activate", "a command"),
            health=self._health(deploy.value("health")),
            strategy=self._strategy(deploy.value("strategy")),
        )

    def _artifact(self, node: Node | None, stages: tuple[StageSpec, ...]) -> str:
        artifact = None if node is None else self.inner_path(node, "deploy.artifact")
        if node is None or artifact is None:
            return ""
        kept = [path for stage in stages for path in stage.artifacts]
        if artifact.rstrip("/") not in [path.rstrip("/") for path in kept]:
            expected = "one of " + ", ".join(kept) if kept else "a stage with `artifacts`"
            self.note(node, "deploy.artifact", f"no stage keeps {clip(artifact)}", expected)
        return artifact

    def _host_path(self, node: Node | None) -> str:
        path = self.matching(node, "deploy.path", fields.HOST_PATH, _DEPLOY_EXPECTED["path"])
        if node is not None and path is not None and {".", ".."} & set(path.split("/")):
            self.note(node, "deploy.path", f"{clip(path)} does not fit", _DEPLOY_EXPECTED["path"])
        return path or ""

    def _health(self, node: Node | None) -> HealthSpec | None:
        health = self.mapping(node, "deploy.health", KEYS["health"], "a mapping with url or command")
        if health is None:
            return None
        if (health.value("url") is None) == (health.value("command") is None):
            self.note(health, "deploy.health", "a check asks one way", "either `url` or `command`")
        url = "a URL such as http://127.0.0.1:8000/healthz"
        return HealthSpec(
            url=self.matching(health.value("url"), "deploy.health.url", fields.HEALTH_URL, url),
            command=self.text(health.value("command"), "deploy.health.command", "a command"),
            timeout_seconds=self.duration(
                health.value("timeout"), "deploy.health.timeout", DEFAULT_HEALTH_TIMEOUT_SECONDS
            ),
        )

    def _strategy(self, node: Node | None) -> StrategySpec:
        strategy = self.mapping(node, "deploy.strategy", KEYS["strategy"], "a mapping with `waves`")
        if strategy is None:
            return StrategySpec()
        return StrategySpec(
            waves=self._waves(strategy.value("waves")),
            parallel=self.whole(strategy.value("parallel"), "deploy.strategy.parallel", 1, 100, DEFAULT_PARALLEL),
            max_failures=self.whole(strategy.value("max_failures"), "deploy.strategy.max_failures", 0, 10_000, 0),
        )

    def _waves(self, node: Node | None) -> tuple[int | str, ...]:
        if isinstance(node, Scalar):
            wave = self._wave(node, "deploy.strategy.waves")
            return StrategySpec().waves if wave is None else (wave,)
        if isinstance(node, ListNode) and not node.items:
            self.note(node, "deploy.strategy.waves", "this list is empty", _WAVE)
        if isinstance(node, ListNode):
            for index, item in enumerate(node.items[:-1]):
                if isinstance(item, Scalar) and item.text == "rest":
                    self.note(item, f"deploy.strategy.waves[{index}]", "nothing is left after rest", "rest last")
        waves: tuple[int | str, ...] = self.listing(node, "deploy.strategy.waves", self._wave, "a list of waves")
        return waves or StrategySpec().waves

    def _wave(self, node: Node, key: str) -> int | str | None:
        number = fields.plain_number(node)
        if number:
            return number
        text = node.text if isinstance(node, Scalar) else ""
        if text == "rest" or fields.WAVE_SHARE.fullmatch(text):
            return text.replace(" ", "")
        self.note(node, key, f"{fields.shown(node)} does not fit", _WAVE)
        return None
