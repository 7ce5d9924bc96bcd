"""Readers of what a stage does: its steps, or the image it builds."""

from pipelines.spec.fields import join
from pipelines.spec.model import BuildSpec, StepSpec
from pipelines.spec.nodes import Mapping, Node, Scalar
from pipelines.spec.reference import PLACES
from pipelines.spec.values import ValueReader

# What a stage that builds an image has no use for: it has no container of its own.
WITHOUT_BUILD = ("image", "services", "cache", "artifacts", "reports", "privileged")


class StepReader(ValueReader):
    """One method per mapping and list."""

    def steps(self, stage: Mapping, key: str) -> tuple[StepSpec, ...]:
        node, key = stage.value("steps"), join(key, "steps")
        self.expect_items(node, key, "a list of commands")
        return self.listing(node, key, self._step, "a list of commands")

    def _step(self, node: Node, key: str) -> StepSpec | None:
        if isinstance(node, Scalar):
            run = self.read(node, key, "command")
            return None if run is None else StepSpec(_first_line(run), run)
        if not isinstance(node, Mapping):
            self.note(node, key, f"this is {node.kind}", PLACES["step"].expected)
            return None
        step = self.mapping(node, key, "step")
        name = self.read(node.value("name"), join(key, "name"), "line")
        run = self.read(node.value("run"), join(key, "run"), "command")
        if step is None or run is None:
            return None
        return StepSpec(
            name=_first_line(name or run),
            run=run,
            shell=self.read(step.value("shell"), join(key, "shell"), "shell") or "",
            workdir=self.read(step.value("workdir"), join(key, "workdir"), "path") or "",
            env=self.env(step.value("env"), join(key, "env")),
            timeout_seconds=self.duration(step.value("timeout"), join(key, "timeout"), None),
        )

    def build(self, stage: Mapping, key: str) -> BuildSpec | None:
        build = self.mapping(stage.value("build"), join(key, "build"), "build")
        if build is None:
            return None
        for name, _ in stage.entries:
            if name.text in WITHOUT_BUILD:
                self.note(name, join(key, name.text), "this has no meaning beside `build`", "another stage for it")
        key = join(key, "build")
        spec = BuildSpec(
            context=self.read(build.value("context"), join(key, "context"), "folder", filled=True) or ".",
            file=self.read(build.value("file"), join(key, "file"), "path", filled=True) or "Dockerfile",
            args=self.env(build.value("args"), join(key, "args")),
            target=self.read(build.value("target"), join(key, "target"), "build_target", filled=True) or "",
            tags=self.one_or_list(build.value("tags"), join(key, "tags"), "image_tag", filled=True),
            push=self.boolean(build.value("push"), join(key, "push")),
        )
        if spec.push and build.value("tags") is None:
            self.note(build, join(key, "tags"), "this key is missing", "the names to push")
        return spec


def _first_line(text: str) -> str:
    """A step's name where the file gives none."""
    return text.strip().splitlines()[0][:80]
