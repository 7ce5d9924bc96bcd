"""The commands that a person copies from a stage's page."""

import shlex
import subprocess
from pathlib import Path

import pytest

from pipelines.runs.models import Run, Stage
from pipelines.spec.model import ApprovalSpec, BuildSpec, ResourcesSpec, StageSpec, StepSpec
from server.web.reproduce import commands


def stage_of(*steps: StepSpec, **spec: object) -> Stage:
    run = Run(event_kind="push", ref="refs/heads/fix;rm -rf", sha="a" * 40, parameters={"dry run": "it's"})
    known = {"name": "test (3.12)", "image": "python:3.12", "steps": steps, **spec}
    return Stage(run=run, name="test (3.12)", spec=StageSpec(**known).to_json())  # type: ignore[arg-type]


def test_slipway_is_told_the_stage_the_event_and_the_names_of_secrets() -> None:
    stage = stage_of(StepSpec("x", "x"), secrets=("TOKEN",), privileged=True, approval=ApprovalSpec())

    assert shlex.split(commands(stage).slipway) == [
        *("slipway", "run", "--stage", "test (3.12)", "--event", "push", "--ref", "refs/heads/fix;rm -rf"),
        *("--parameter", "dry run=it's", "--secret", "TOKEN", "--privileged", "--yes"),
    ]


def test_a_build_is_a_docker_build() -> None:
    build = BuildSpec(context="app/", args={"A": "$(id)"}, target="prod", tags=("r.example/x:1",), push=True)

    assert shlex.split(commands(stage_of(build=build)).docker) == [
        *("docker", "build", "--file", "app/Dockerfile", "--build-arg", "A=$(id)"),
        *("--target", "prod", "--tag", "r.example/x:1", "app"),
    ]


def test_limits_and_names_of_secrets_are_in_the_command_of_docker() -> None:
    stage = stage_of(secrets=("TOKEN",), resources=ResourcesSpec(cpus=0.5, memory_mb=256))
    first = commands(stage).docker.splitlines()[0]

    assert "--memory 256m --cpus 0.5" in first
    assert "--env TOKEN " in first
    assert "'SLIPWAY_PARAM_DRY_RUN=it'\"'\"'s'" in first


def test_no_control_character_reaches_who_copies_it() -> None:
    stage = stage_of(StepSpec("x", "echo \x1b[201~rm\r\x00\u202e"), env={"A": "\x1b]0;x\x07"}, name="a\x1bb")
    text = commands(stage).docker + commands(stage).slipway

    assert not [char for char in text if not char.isprintable() and char != "\n"]


@pytest.mark.usefixtures("engine")
def test_the_command_of_docker_does_what_the_stage_did(tmp_path: Path, python_image: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "file").write_text("content\n")
    stage = stage_of(
        StepSpec("one", "cat sub/file\ncat\nexit 0"),
        StepSpec(
            "two", "print(__import__('os').environ['B'])", shell="python3 -I", env={"B": "it's $(id)\nEND_OF_STEP"}
        ),
        StepSpec(
            "three", "cat <<'END_OF_STEP'\nEND_OF_STAGE\nEND_OF_STEP\npwd; echo $SLIPWAY_MATRIX_OS $A", workdir="sub"
        ),
        image=python_image,
        values={"os": "debian"},
        env={"A": "`x`"},
    )
    script = commands(stage).docker
    done = subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.stderr == ""
    assert done.stdout == "content\nit's $(id)\nEND_OF_STEP\nEND_OF_STAGE\n/workspace/sub\ndebian `x`\n"
