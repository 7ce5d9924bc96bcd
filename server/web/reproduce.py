"""The commands with which a person runs a stage on their own machine. Pure: nothing is looked up.

What comes from a repository is only ever a quoted word or the inside of a quoted here-document, and bears no control
character: whoever copies a command runs what they see.
"""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.runs.models import Run, Stage
from pipelines.spec.model import StageSpec, StepSpec

_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028\u2029\u202a-\u202e\u2060\u2066-\u2069\ufeff]"
)
_END = "END_OF_STEP"
_WORKSPACE = "/workspace"


@dataclass(frozen=True, slots=True)
class Commands:
    """`slipway` does what the server did, `docker` comes as near as a bare container can."""

    slipway: str
    docker: str


def commands(stage: Stage) -> Commands:
    """For a stage as it was planned, on a machine where its commit is checked out."""
    spec = StageSpec.from_json(stage.spec)
    return Commands(_shown(slipway_command(stage.run, spec)), _shown(docker_command(stage.run, spec)))


def slipway_command(run: Run, spec: StageSpec) -> str:
    """`slipway run` of this stage alone; values of secrets are taken from the person's environment."""
    words = ["slipway", "run", "--stage", spec.name, "--event", str(run.event_kind), "--ref", run.ref]
    for name, value in run.parameters.items():
        words += ["--parameter", f"{name}={value}"]
    for name in spec.secrets:
        words += ["--secret", name]
    words += ["--privileged"] if spec.privileged else []
    words += ["--yes"] if spec.approval else []
    return shlex.join(words)


def docker_command(run: Run, spec: StageSpec) -> str:
    """`docker run`, or `docker build`, without services, caches and what earlier stages made."""
    return _build(spec) if spec.build else _run(run, spec)


def _build(spec: StageSpec) -> str:
    build = spec.build
    assert build is not None
    folder = "/".join(part for part in build.context.split("/") if part not in ("", "."))
    words = ["docker", "build", "--file", f"{folder}/{build.file}" if folder else build.file]
    for name, value in build.args.items():
        words += ["--build-arg", f"{name}={value}"]
    words += ["--target", build.target] if build.target else []
    for tag in build.tags:
        words += ["--tag", tag]
    return shlex.join([*words, folder or "."])


def _run(run: Run, spec: StageSpec) -> str:
    words = ["docker", "run", "--rm", "--interactive", "--workdir", _WORKSPACE]
    words += ["--privileged"] if spec.privileged else []
    words += ["--memory", f"{spec.resources.memory_mb}m"] if spec.resources.memory_mb else []
    words += ["--cpus", f"{spec.resources.cpus:g}"] if spec.resources.cpus else []
    for name, value in _variables(run, spec).items():
        words += ["--env", f"{name}={value}"]
    for name in spec.secrets:
        words += ["--env", name]  # from the person's environment
    mount = f'--volume "$PWD":{_WORKSPACE}'
    image = shlex.join(["--entrypoint", "/bin/sh", spec.image, "-e"])
    script = "".join(_step(position, step) for position, step in enumerate(spec.steps, 1))
    end = _delimiter("END_OF_STAGE", script)
    return f"{shlex.join(words)} {mount} {image} <<'{end}'\n{script}{end}"


def _variables(run: Run, spec: StageSpec) -> dict[str, str]:
    """Those that a script most often asks for; the stage's own come last."""
    known = {"CI": "true", "SLIPWAY": "true", "SLIPWAY_REF": run.ref, "SLIPWAY_SHA": run.sha}
    known |= _named("SLIPWAY_MATRIX_", spec.values) | _named("SLIPWAY_PARAM_", run.parameters)
    return known | dict(spec.env)


def _named(prefix: str, values: Mapping[str, str]) -> dict[str, str]:
    return {prefix + re.sub("[^A-Z0-9_]", "_", name.upper()): value for name, value in values.items()}


def _step(position: int, step: StepSpec) -> str:
    """A shell of its own for each, as on the server."""
    text = f"{step.run}\n"
    end, path = _delimiter(_END, text), f"/tmp/step-{position}"  # noqa: S108  in the container
    lines = [f"cat >{path} <<'{end}'", f"{text}{end}", "("]
    lines += [f"cd -- {shlex.quote(step.workdir)}"] if step.workdir else []
    lines += [f"export {name}={shlex.quote(value)}" for name, value in step.env.items()]
    shell = shlex.join(shlex.split(step.shell)) if step.shell else "/bin/sh -e"
    return "\n".join([*lines, f"exec {shell} {path} </dev/null", ")"]) + "\n"


def _delimiter(word: str, text: str) -> str:
    """A line that does not occur in the text."""
    while word in text:
        word += "_"
    return word


def _shown(command: str) -> str:
    return _CONTROL.sub("\ufffd", command)
