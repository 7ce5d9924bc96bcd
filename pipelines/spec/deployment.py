"""The `deploy` section: how this software is installed on a host."""

import shlex

from pipelines.spec.fields import clip, join
from pipelines.spec.installation import (
    DEFAULT_HEALTH_TIMEOUT_SECONDS,
    DEFAULT_STOP_SECONDS,
    DEFAULT_TIMEOUT_SECONDS,
    ContainerSpec,
    DeploySpec,
    HealthSpec,
    HookSpec,
    HooksSpec,
    RequiresSpec,
)
from pipelines.spec.model import StageSpec
from pipelines.spec.nodes import Mapping, Node, Scalar
from pipelines.spec.nodes import Sequence as ListNode
from pipelines.spec.reference import PLACES
from pipelines.spec.strategy import StrategyReader

# What has no meaning without the key that says the kind of release.
_ONLY_WITH = {"container": "image", "shared": "artifact"}
_PORT = "$SLIPWAY_PORT"


class DeployReader(StrategyReader):
    """One method per mapping of the section."""

    def deploy(self, node: Node | None, stages: tuple[StageSpec, ...]) -> DeploySpec | None:
        deploy = self.mapping(node, "deploy", "deploy")
        if deploy is None:
            return None
        self.axes = ()
        self._check_kind(deploy)
        migrate, irreversible = self._migrate(deploy.value("migrate"), "deploy.migrate")
        return DeploySpec(
            artifact=self._artifact(deploy.value("artifact"), stages),
            path=self.read(deploy.value("path"), "deploy.path", "host_path") or "",
            image=self._pushed(deploy.value("image"), stages),
            container=self._container(deploy.value("container"), "deploy.container"),
            commands=self._commands(deploy.value("commands")),
            shared=self.texts(deploy.value("shared"), "deploy.shared", "path"),
            requires=self._requires(deploy.value("requires"), "deploy.requires"),
            migrate=migrate,
            irreversible=irreversible,
            activate=self.read(deploy.value("activate"), "deploy.activate", "command"),
            hooks=self._hooks(deploy.value("hooks"), "deploy.hooks"),
            health=self._health(deploy.value("health"), deploy.value("container"), "deploy.health"),
            strategy=self.strategy(deploy.value("strategy"), "deploy.strategy"),
            timeout_seconds=self.duration(deploy.value("timeout"), "deploy.timeout", DEFAULT_TIMEOUT_SECONDS),
            silence_seconds=self.duration(deploy.value("silence"), "deploy.silence", None),
        )

    def _check_kind(self, deploy: Mapping) -> None:
        if deploy.value("image") is not None and deploy.value("container") is None:
            self.note(deploy, "deploy.container", "this key is missing", PLACES["container"].expected)
        for name, _ in deploy.entries:
            partner = _ONLY_WITH.get(name.text)
            if partner is not None and deploy.value(partner) is None:
                self.note(name, join("deploy", name.text), f"this has no meaning without `{partner}`", f"`{partner}`")

    def _artifact(self, node: Node | None, stages: tuple[StageSpec, ...]) -> str:
        artifact = self.read(node, "deploy.artifact", "path")
        if node is None or artifact is None:
            return ""
        kept = [path for stage in stages for path in stage.artifacts]
        if artifact.rstrip("/") not in [path.rstrip("/") for path in kept]:
            expected = "one of " + ", ".join(kept) if kept else "a stage with `artifacts`"
            self.note(node, "deploy.artifact", f"no stage keeps {clip(artifact)}", expected)
        return artifact

    def _pushed(self, node: Node | None, stages: tuple[StageSpec, ...]) -> str:
        image = self.read(node, "deploy.image", "image_tag", filled=True)
        if node is None or image is None:
            return ""
        pushed = [tag for stage in stages if stage.build and stage.build.push for tag in stage.build.tags]
        if image not in pushed:
            expected = "one of " + ", ".join(pushed) if pushed else "a stage with `build`, `tags` and `push: true`"
            self.note(node, "deploy.image", f"no stage pushes {clip(image)}", expected)
        return image

    def _commands(self, node: Node | None) -> tuple[str, ...]:
        """In their order; one may stand twice."""
        key = "deploy.commands"
        self.expect_items(node, key, "a command, or a list of them")
        if isinstance(node, Scalar):
            node = ListNode(node.line, node.column, (node,), node.nodes, node.height)
        return self.listing(node, key, lambda item, at: self.read(item, at, "command"), "a command, or a list of them")

    def _container(self, node: Node | None, key: str) -> ContainerSpec | None:
        container = self.mapping(node, key, "container")
        if container is None:
            return None
        port = container.value("port")
        return ContainerSpec(
            name=self.read(container.value("name"), join(key, "name"), "container_name") or "",
            port=None if port is None else self.whole(port, join(key, "port"), "port", 1),
            address=self.read(container.value("address"), join(key, "address"), "address") or "127.0.0.1",
            volumes=self.texts(container.value("volumes"), join(key, "volumes"), "volume"),
            command=self._arguments(container.value("command"), join(key, "command")),
            network=self.read(container.value("network"), join(key, "network"), "network") or "",
            stop_seconds=self.duration(container.value("stop"), join(key, "stop"), DEFAULT_STOP_SECONDS),
        )

    def _arguments(self, node: Node | None, key: str) -> str:
        text = self.read(node, key, "command") or ""
        try:
            shlex.split(text)
        except ValueError as error:
            assert node is not None
            self.note(node, key, f"this cannot be split into words: {str(error).lower()}", "quotes that are closed")
        return text

    def _requires(self, node: Node | None, key: str) -> RequiresSpec:
        requires = self.mapping(node, key, "requires")
        if requires is None:
            return RequiresSpec()
        disk = self.read(requires.value("disk"), join(key, "disk"), "disk")
        return RequiresSpec(
            sudo=self.boolean(requires.value("sudo"), join(key, "sudo")),
            tools=self.one_or_list(requires.value("tools"), join(key, "tools"), "tool"),
            disk_mb=int(disk[:-1]) * (1024 if disk.endswith("g") else 1) if disk else 0,
        )

    def _migrate(self, node: Node | None, key: str) -> tuple[str | None, bool]:
        if node is None or isinstance(node, Scalar):
            return self.read(node, key, "command"), False
        migrate = self.mapping(node, key, "migrate")
        if migrate is None:
            return None, False
        run = self.read(migrate.value("run"), join(key, "run"), "command")
        return run, self.boolean(migrate.value("irreversible"), join(key, "irreversible"))

    def _hooks(self, node: Node | None, key: str) -> HooksSpec:
        hooks = self.mapping(node, key, "hooks")
        if hooks is None:
            return HooksSpec()
        read = {name: self._hook_list(hooks.value(name), join(key, name)) for name in ("before", "after", "failure")}
        return HooksSpec(**read)

    def _hook_list(self, node: Node | None, key: str) -> tuple[HookSpec, ...]:
        expected = "a command, a mapping with `run`, or a list of them"
        self.expect_items(node, key, expected)
        if isinstance(node, ListNode):
            return self.listing(node, key, self._hook, expected)
        hook = None if node is None else self._hook(node, key)
        return () if hook is None else (hook,)

    def _hook(self, node: Node, key: str) -> HookSpec | None:
        if isinstance(node, Scalar):
            run = self.read(node, key, "command")
            return None if run is None else HookSpec(run)
        hook = self.mapping(node, key, "hook")
        run = None if hook is None else self.read(hook.value("run"), join(key, "run"), "command")
        if hook is None or run is None:
            return None
        return HookSpec(run, self.boolean(hook.value("once"), join(key, "once")))

    def _health(self, node: Node | None, container: Node | None, key: str) -> HealthSpec | None:
        health = self.mapping(node, key, "health")
        if health is None:
            return None
        url = self.read(health.value("url"), join(key, "url"), "health_url")
        has_port = isinstance(container, Mapping) and container.value("port") is not None
        if url and _PORT in url and not has_port:
            self.note(health, join(key, "url"), f"{_PORT} is not known here", "`port` in `deploy.container`")
        return HealthSpec(
            url=url,
            command=self.read(health.value("command"), join(key, "command"), "command"),
            timeout_seconds=self.duration(
                health.value("timeout"), join(key, "timeout"), DEFAULT_HEALTH_TIMEOUT_SECONDS
            ),
            answers=self.whole(health.value("answers"), join(key, "answers"), "answers", 1),
            interval_seconds=self.duration(health.value("interval"), join(key, "interval"), 1),
        )
