"""The `stages` section: what runs where, after what, and when."""

from dataclasses import dataclass

from pipelines.spec.fields import clip, join
from pipelines.spec.matrix import Combination, stage_name
from pipelines.spec.model import DEFAULT_TIMEOUT_SECONDS, StageSpec, When
from pipelines.spec.needs import Needs
from pipelines.spec.nodes import TEXT_PER_NODE, Mapping, Node, Scalar
from pipelines.spec.policies import PolicyReader
from pipelines.spec.reference import KINDS
from pipelines.spec.steps import StepReader
from pipelines.spec.surroundings import SurroundingsReader
from pipelines.spec.whens import WhenReader

MAX_STAGES = 200
MAX_BASE = 60  # characters of a name; the columns that hold them are not wider
MAX_NAME = 200
MAX_ENV = 64 * 1024
_EXPECTED = "a mapping of stage names to stages"


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a file gives to its stages. An `image` of "" was refused: one problem, not one for every stage."""

    image: str | None
    env: dict[str, str]
    file_when: tuple[When, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadStage:
    """A stage with its weight: how many values it stands for, all combinations of its matrix together."""

    spec: StageSpec
    node: Node
    weight: int


class StageReader(WhenReader, SurroundingsReader, StepReader, PolicyReader):
    """One method per mapping and list of the section."""

    def stage_mapping(self, top: Mapping) -> Mapping | None:
        """The section, if it is one."""
        node = top.value("stages")
        if node is None:
            return None
        if not isinstance(node, Mapping) or not node.entries:
            kind = "empty" if isinstance(node, Mapping) else node.kind
            self.note(node, "stages", f"this is {kind}", _EXPECTED)
            return None
        if len(node.entries) > MAX_STAGES:
            self.note(node, "stages", f"{len(node.entries)} stages", f"at most {MAX_STAGES}")
            return None
        return node

    def stages(self, section: Mapping, needs: dict[str, Needs], prefix: str, defaults: Defaults) -> list[ReadStage]:
        found = []
        for name, body in section.entries:
            stage = self._stage(name, body, needs[prefix + name.text].names, prefix, defaults)
            if stage is not None:
                weight = body.nodes + sum(2 + len(value) // TEXT_PER_NODE for value in stage.env.values())
                found.append(ReadStage(stage, name, weight * max(1, len(stage.matrix))))
        return found

    def _stage(
        self, name: Scalar, body: Node, needs: tuple[str, ...], prefix: str, defaults: Defaults
    ) -> StageSpec | None:
        key = join("stages", name.text)
        if not KINDS["stage_name"].fits(name.text):
            self.note(name, key, f"{clip(name.text)} does not fit as a stage's name", KINDS["stage_name"].means)
        stage = self.mapping(body, key, "stage")
        if stage is None:
            return None
        matrix = self.matrix(stage.value("matrix"), join(key, "matrix"))
        self._check_names(name, prefix, key, matrix)
        env = {**defaults.env, **self.env(stage.value("env"), join(key, "env"))}
        if sum(len(value) for value in env.values()) > MAX_ENV:
            self.note(name, join(key, "env"), "its variables are too long together", f"at most {MAX_ENV:,} characters")
        artifacts, kept_seconds = self.artifacts(stage.value("artifacts"), join(key, "artifacts"))
        build = self.build(stage, key)
        return StageSpec(
            name=prefix + name.text,
            base=prefix + name.text,
            image="" if build else self._image(name, stage, key, defaults.image),
            steps=self.steps(stage, key),
            needs=needs,
            when=self.whens(stage.value("when"), join(key, "when")),
            file_when=defaults.file_when,
            matrix=matrix,
            env=env,
            secrets=self._secrets(stage, key, env),
            services=self.services(stage.value("services"), join(key, "services")),
            caches=self.caches(stage.value("cache"), join(key, "cache"), prefix + name.text),
            artifacts=artifacts,
            artifacts_kept_seconds=kept_seconds,
            reports=self.reports(stage.value("reports"), join(key, "reports")),
            timeout_seconds=self.duration(stage.value("timeout"), join(key, "timeout"), DEFAULT_TIMEOUT_SECONDS),
            idle_timeout_seconds=self.duration(stage.value("idle_timeout"), join(key, "idle_timeout"), None),
            retry=self.retry(stage.value("retry"), join(key, "retry")),
            allow_failure=self.boolean(stage.value("allow_failure"), join(key, "allow_failure")),
            concurrency=self.concurrency(stage.value("concurrency"), join(key, "concurrency")),
            approval=self.approval(stage.value("approval"), join(key, "approval")),
            labels=self.texts(stage.value("labels"), join(key, "labels"), "label", filled=True),
            resources=self.resources(stage.value("resources"), join(key, "resources")),
            privileged=self.boolean(stage.value("privileged"), join(key, "privileged")),
            build=build,
        )

    def _check_names(self, name: Scalar, prefix: str, key: str, matrix: tuple[Combination, ...]) -> None:
        base = prefix + name.text
        if prefix and len(base) > MAX_BASE:
            self.note(name, key, f"with its file's name this has {len(base)} characters", f"at most {MAX_BASE}")
        longest = max((len(stage_name(base, values)) for values in matrix), default=0)
        if longest > MAX_NAME:
            self.note(
                name, join(key, "matrix"), f"a name of {longest} characters", f"at most {MAX_NAME} with all values"
            )

    def _image(self, name: Scalar, stage: Mapping, key: str, default: str | None) -> str:
        own, key = stage.value("image"), join(key, "image")
        if own is None and default is None and stage.value("build") is None:
            self.note(name, key, "no image here and none at the top", KINDS["image"].means)
        return self.read(own, key, "image", filled=True) or default or ""

    def _secrets(self, stage: Mapping, key: str, env: dict[str, str]) -> tuple[str, ...]:
        def read(node: Node, item_key: str) -> str | None:
            name = self.env_name(node, item_key)
            if name in env:
                self.note(node, item_key, f"{name} is in `env` too", "a secret or a variable, not both")
            return name

        return self.distinct(stage.value("secrets"), join(key, "secrets"), read, "a list of names of secrets")
