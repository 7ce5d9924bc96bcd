"""A pipeline file as values. Every value also lives in JSON columns, so each goes to JSON and back unchanged."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipelines.spec.installation import DeploySpec, HealthSpec, StrategySpec
from pipelines.spec.stored import Stored

__all__ = [
    "ApprovalSpec",
    "BuildSpec",
    "CacheSpec",
    "ConcurrencySpec",
    "DeploySpec",
    "Globs",
    "HealthSpec",
    "ParameterSpec",
    "PipelineSpec",
    "ReadySpec",
    "ReportsSpec",
    "ResourcesSpec",
    "RetrySpec",
    "ScheduleSpec",
    "ServiceSpec",
    "StageSpec",
    "StepSpec",
    "StrategySpec",
    "When",
]

DEFAULT_TIMEOUT_SECONDS = 3600
DEFAULT_READY_TIMEOUT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class StepSpec(Stored):
    """One command of a stage; `run` may have many lines. Without a name in the file, `name` is its first line.

    `shell` is the program that is given the step as a file, with its arguments (`bash -eo pipefail`, `python3`); empty
    means `/bin/sh -e`. `workdir` is a path inside the workspace; empty is the workspace itself.
    """

    name: str
    run: str
    shell: str = ""
    workdir: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    timeout_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Globs(Stored):
    """Names that one of `include` matches (any name, if it is empty) and none of `exclude`."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.include or self.exclude)


@dataclass(frozen=True, slots=True)
class When(Stored):
    """For what a stage is; what is empty asks nothing, and all that asks must agree. See `conditions.applies`.

    `status` says how what it needs must have ended: `succeeded`, `failed`, or both for `always`.
    """

    events: tuple[str, ...] = ()
    branches: Globs = Globs()
    tags: Globs = Globs()
    paths: Globs = Globs()
    condition: str = ""
    status: tuple[str, ...] = ("succeeded",)


@dataclass(frozen=True, slots=True)
class ReadySpec(Stored):
    """When a service may be used: `command` ends with 0 in its container, or TCP `port` is open; with neither its
    image's own health check says so, else its lowest exposed port, else that it has started."""

    command: str = ""
    port: int | None = None
    timeout_seconds: int = DEFAULT_READY_TIMEOUT_SECONDS


@dataclass(frozen=True, slots=True)
class ServiceSpec(Stored):
    """A container beside the stage, reached by `name` as its host name. `command` replaces the image's own."""

    name: str
    image: str
    env: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    ready: ReadySpec = ReadySpec()


@dataclass(frozen=True, slots=True)
class CacheSpec(Stored):
    """`paths` that a later run finds again under `name` and the content of `files` (paths or globs in the workspace).

    Without an exact match the newest of the same name is taken, then the newest of each of `fallback`.
    """

    name: str
    paths: tuple[str, ...]
    files: tuple[str, ...] = ()
    fallback: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportsSpec(Stored):
    """Paths of report files, or of folders of them (every `*.xml` directly in it)."""

    junit: tuple[str, ...] = ()
    coverage: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RetrySpec(Stored):
    """How often a stage is tried again, at most, and after what: `infrastructure` (our machinery broke), `any` exit
    code, or one of `exit_codes`."""

    times: int = 2
    on: tuple[str, ...] = ("infrastructure",)
    exit_codes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ConcurrencySpec(Stored):
    """At most `limit` of a `group` in the project run at once, in the order they came; a newcomer cancels those before
    it that are `pending` or also those `running`, or `none`."""

    group: str
    limit: int = 1
    cancel: str = "none"


@dataclass(frozen=True, slots=True)
class ParameterSpec(Stored):
    """A value asked of a person: `kind` is text, number, boolean or choice (of `options`)."""

    name: str
    kind: str = "text"
    description: str = ""
    default: str | None = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ApprovalSpec(Stored):
    """Before it starts, `count` people must agree: members of one of `teams`, or anybody who may, if it is empty; never
    who started the run. `ask` is what they fill in; the last answer of each name counts."""

    teams: tuple[str, ...] = ()
    count: int = 1
    message: str = ""
    ask: tuple[ParameterSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class ResourcesSpec(Stored):
    """What the stage's container may use; None is the server's default. The server's maximum is not exceeded."""

    cpus: float | None = None
    memory_mb: int | None = None


@dataclass(frozen=True, slots=True)
class BuildSpec(Stored):
    """An image to build from the workspace instead of steps. `context` and `file` are paths inside the workspace.

    `tags` are full names (`registry.example.org/shop:1.2`); with `push` each is pushed to its registry.
    """

    context: str = "."
    file: str = "Dockerfile"
    args: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    tags: tuple[str, ...] = ()
    push: bool = False


@dataclass(frozen=True, slots=True)
class StageSpec(Stored):
    """One stage, complete in itself: `image` and `env` of the file's top are already in it.

    `needs` is never implicit: a stage that said nothing has the one before it in the file here. As parsed, `matrix`
    holds every combination and texts may hold `${{ … }}`; as planned (see `planning.planned`), one stage stands for
    each combination, with its `values`, a `name` such as `test (3.12)`, and nothing left to fill in. `base` is the
    name in the file. `file_when` is the `when` of its own file, where a folder holds several.
    """

    name: str
    image: str
    steps: tuple[StepSpec, ...]
    needs: tuple[str, ...] = ()
    when: tuple[When, ...] = ()
    status: tuple[str, ...] = ("succeeded",)
    base: str = ""
    matrix: tuple[Mapping[str, str], ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    services: tuple[ServiceSpec, ...] = ()
    caches: tuple[CacheSpec, ...] = ()
    artifacts: tuple[str, ...] = ()
    artifacts_kept_seconds: int | None = None
    reports: ReportsSpec = ReportsSpec()
    timeout_seconds: int = DEFAULT_TIMEOUT_SECONDS
    idle_timeout_seconds: int | None = None
    retry: RetrySpec = RetrySpec()
    allow_failure: bool = False
    concurrency: ConcurrencySpec | None = None
    approval: ApprovalSpec | None = None
    labels: tuple[str, ...] = ()
    resources: ResourcesSpec = ResourcesSpec()
    privileged: bool = False
    build: BuildSpec | None = None
    file_when: tuple[When, ...] = ()


@dataclass(frozen=True, slots=True)
class ScheduleSpec(Stored):
    """A run at the times that `cron` (five fields) names on the clocks of `timezone`, of the tip of `branch`.

    An empty branch is the project's default branch.
    """

    name: str
    cron: str
    timezone: str = "UTC"
    branch: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PipelineSpec(Stored):
    """The whole file, with what it includes. `image` and `env` are the top-level defaults as written; stages already
    carry them. A run that `when` does not match has no stages that apply."""

    image: str | None
    env: Mapping[str, str]
    stages: tuple[StageSpec, ...]
    deploy: DeploySpec | None = None
    when: tuple[When, ...] = ()
    parameters: tuple[ParameterSpec, ...] = ()
    schedules: tuple[ScheduleSpec, ...] = ()
    concurrency: ConcurrencySpec | None = None

    def stage(self, name: str) -> StageSpec:
        """The stage of that name; KeyError when there is none."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise KeyError(name)
