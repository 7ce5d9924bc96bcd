"""`slipway run` as a person types it: a working tree, real containers, and no server."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.ground import open_engine

ROOT = Path(__file__).resolve().parents[3]
SECONDS = 120

SPEC = """\
image: {image}
stages:
  build:
    steps:
      - mkdir -p dist && cat greeting > dist/greeting
    artifacts: [dist/]
  test:
    matrix: {{size: ["1", "2"]}}
    steps:
      - name: look
        run: 'echo "size $SLIPWAY_MATRIX_SIZE: $(cat dist/greeting)"'
"""


@dataclass(frozen=True, slots=True)
class Laptop:
    """A repository with a pipeline, and a home of its own for the records."""

    tree: Path
    home: Path
    image: str

    def write(self, spec: str) -> None:
        (self.tree / ".slipway.yml").write_text(spec.format(image=self.image))

    def start(self, *words: str, apart: bool = False, **environ: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "server.cli", *words, "--directory", str(self.tree)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if apart else subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env={**os.environ, "XDG_STATE_HOME": str(self.home), "NO_COLOR": "1", **environ},
        )

    def run(self, *words: str, **environ: str) -> tuple[int, str]:
        """Exit status and what was printed."""
        process = self.start(*words, apart=False, **environ)
        said, _ = process.communicate(timeout=SECONDS)
        return process.returncode, said

    def left_on_the_engine(self) -> list[str]:
        name = next(self.home.glob("slipway/*")).name
        label = f"slipway.server=run-{name}"
        engine = open_engine()
        found = [str(each.name) for each in engine.containers.list(all=True, filters={"label": label})]
        found += [str(each.name) for each in engine.volumes.list(filters={"label": label})]
        return found + [str(each.name) for each in engine.networks.list(filters={"label": label})]


@pytest.fixture
def laptop(tmp_path: Path, busybox_image: str) -> Laptop:
    tree = tmp_path / "shop"
    tree.mkdir()
    made = Laptop(tree, tmp_path / "home", busybox_image)
    subprocess.run(["git", "init", "-q", "-b", "main", str(tree)], check=True)
    (tree / "greeting").write_text("hello\n")
    made.write(SPEC)
    return made


def test_the_tree_runs_as_it_is_without_a_commit(laptop: Laptop, tmp_path: Path) -> None:
    status, said = laptop.run("run", "--artifacts", str(tmp_path / "kept"))
    assert status == 0, said
    assert "test (1) │ size 1: hello" in said
    assert "test (2) │ size 2: hello" in said
    assert "build succeeded" in said
    assert (tmp_path / "kept" / "build" / "dist" / "greeting").read_text() == "hello\n"
    assert laptop.left_on_the_engine() == []


def test_a_stage_that_is_named_runs_with_what_it_needs_and_nothing_else(laptop: Laptop) -> None:
    laptop.write(
        "image: {image}\nstages:\n  one: {{steps: [echo first]}}\n  two: {{needs: [], steps: [echo second]}}\n"
        "  three: {{steps: [echo third]}}\n"
    )
    status, said = laptop.run("run", "--stage", "three")
    assert status == 0, said
    assert "two   │ second" in said
    assert "three │ third" in said
    assert "first" not in said


def test_the_exit_status_is_that_of_the_run(laptop: Laptop) -> None:
    laptop.write("image: {image}\nstages:\n  one: {{steps: [exit 7]}}\n  two: {{steps: [echo never]}}\n")
    status, said = laptop.run("run")
    assert status == 1
    assert "step 1, exit 7, ended with code 7" in said
    assert "two skipped" in said
    assert "never" not in said.replace("echo never", "")


def test_secrets_come_from_the_environment_and_are_masked(laptop: Laptop) -> None:
    step = 'echo "$TOKEN is $(printf %s "$TOKEN" | wc -c)"'
    laptop.write(f"image: {{image}}\nstages:\n  one: {{{{secrets: [TOKEN], steps: ['{step}']}}}}\n")
    status, said = laptop.run("run", "--secret", "TOKEN", TOKEN="very-secret-value")
    assert status == 0, said
    assert "*** is 17" in said
    assert "very-secret-value" not in said


def test_a_file_with_mistakes_is_told_as_lint_does(laptop: Laptop) -> None:
    laptop.write("image: {image}\nstages:\n  one: {{step: [echo x]}}\n")
    for command in ("run", "lint"):
        status, said = laptop.run(command)
        assert status == 1
        assert ".slipway.yml:3:9: stages.one.step: unknown key; did you mean `steps`?" in said


def test_for_programs_there_is_one_document_and_nothing_else(laptop: Laptop) -> None:
    laptop.write("image: {image}\nstages:\n  one: {{steps: [exit 7]}}\n  two: {{steps: [echo never]}}\n")
    process = laptop.start("run", "--json", apart=True)
    said, told = process.communicate(timeout=SECONDS)
    assert process.returncode == 1, told
    ended = json.loads(said)
    assert ended["status"] == "failed"
    assert [(stage["name"], stage["status"]) for stage in ended["stages"]] == [("one", "failed"), ("two", "skipped")]
    assert "one │" not in said
    process = laptop.start("lint", "--json", apart=True)
    assert json.loads(process.communicate(timeout=SECONDS)[0]) == {"is_valid": True, "problems": []}


def test_stopping_it_cancels_the_run_and_leaves_nothing(laptop: Laptop) -> None:
    laptop.write("image: {image}\nstages:\n  one: {{steps: [echo begun; sleep 300]}}\n")
    process = laptop.start("run")
    assert process.stdout is not None
    said = ""
    began = time.monotonic()
    while "│ begun" not in said:
        assert time.monotonic() - began < SECONDS, said
        said += process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 130, said + rest
    assert "cancelled" in rest
    assert laptop.left_on_the_engine() == []


def test_approval_is_given_by_an_option_and_refused_without(laptop: Laptop) -> None:
    laptop.write("image: {image}\nstages:\n  ship:\n    approval: {{by: [ops], count: 2}}\n    steps: [echo shipped]\n")
    status, said = laptop.run("run")
    assert status == 130, said
    assert "--yes gives it" in said
    status, said = laptop.run("run", "--yes")
    assert status == 0, said
    assert "ship │ shipped" in said
