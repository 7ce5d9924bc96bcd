"""A day at the terminal: `slipway` in processes of its own, against the server as people run it."""

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.lab.server import ROOT
from tests.stories.works import Works

SECONDS = 240
FAILS = """\
image: IMAGE
stages:
  build: {steps: ["for n in 1 2 3; do echo building $n; sleep 1; done"]}
  test: {needs: [build], steps: ["echo about to break", "exit 3"]}
"""


@dataclass(slots=True)
class Terminal:
    """Somebody's terminal, in the working tree of a repository, with a home of its own."""

    home: Path
    directory: Path
    running: list["subprocess.Popen[str]"] = field(default_factory=list)

    def start(self, *words: str, typed: str = "") -> "subprocess.Popen[str]":
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")}
        process = subprocess.Popen(
            [sys.executable, "-m", "server.cli", *words],
            cwd=self.directory,
            env={**kept, "XDG_CONFIG_HOME": str(self.home), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        process.stdin.write(typed)
        process.stdin.close()
        process.stdin = None
        self.running.append(process)
        return process

    def slipway(self, *words: str, typed: str = "", status: int = 0) -> str:
        """What it printed; it has to end with that status."""
        process = self.start(*words, typed=typed)
        said, complaints = process.communicate(timeout=SECONDS)
        assert process.returncode == status, f"slipway {' '.join(words)} → {process.returncode}\n{said}{complaints}"
        return said + complaints if status else said


@pytest.fixture
def terminal(works: Works, tmp_path: Path) -> Terminal:
    return Terminal(tmp_path / "config", works.repository.work)


def make_token(works: Works) -> str:
    """On the page that `slipway login` names."""
    browser = works.scene.operator.browser
    form = {"name": "laptop", "scope": ["run", "deploy", "administer"]}
    shown = browser.press(browser.open("/account/tokens/"), "Make the token", form)
    found = re.search(r"slip_[\w-]{20,}", shown.text)
    assert found is not None, shown.words
    return found[0]


def test_a_push_is_watched_deployed_and_rolled_back_from_the_terminal(works: Works, terminal: Terminal) -> None:
    signed_in = terminal.slipway("login", works.scene.server.url, "--token-stdin", typed=make_token(works) + "\n")
    assert works.scene.operator.name in signed_in
    works.scene.add_production(works.name)
    works.push_good("1.0")
    assert "run 1 ✓ succeeded" in terminal.slipway("watch")  # the project is this directory's
    followed = terminal.slipway("watch", "--deploy", "1")
    assert "deploy 1 ✓ succeeded" in followed
    assert all(f"{host.name} ✓ succeeded" in followed for host in works.scene.fleet.hosts)
    works.push_good("1.1")
    assert "package │ " in terminal.slipway("logs", "-f", "2")
    terminal.slipway("watch", "--deploy", "2")
    assert works.served() == {"1.1"}
    assert "deploy 3: release 1 to production" in terminal.slipway("rollback", "production", "--why", "too slow")
    assert works.served() == {"1.0"}
    assert "quarantined: too slow" in terminal.slipway("releases")
    assert "quarantine" in terminal.slipway("deploy", "production", "2", status=5)
    again = json.loads(terminal.slipway("deploy", "production", "1", "--json"))
    assert (again["status"], again["release"]) == ("succeeded", 1)
    listed = json.loads(terminal.slipway("env", "list", "--json"))
    assert [(place["name"], place["release"]) for place in listed] == [("production", 1)]


def test_what_a_stage_prints_is_followed_and_its_failure_is_the_exit_status(works: Works, terminal: Terminal) -> None:
    terminal.slipway("login", works.scene.server.url, "--token-stdin", typed=make_token(works) + "\n")
    works.push(FAILS)
    followed = terminal.slipway("logs", "-f", "1", status=1)
    assert "build │ building 3" in followed
    assert "test  │ about to break" in followed
    assert "building 3" in terminal.slipway("logs", "-f", "1", "--stage", "build")  # which did not fail
    watched = terminal.slipway("watch", "1", status=1)
    assert "  │ about to break" in watched
    assert "run 1 ✗ failed" in watched
    assert "run 2" in terminal.slipway("trigger", "--watch", "--ref", "main", status=1)
    again = json.loads(terminal.slipway("rerun", "1", "--failed", "--json"))
    assert again["rerun_of"] == 1


def test_lines_come_as_they_are_printed_and_ctrl_c_ends_the_watching_alone(works: Works, terminal: Terminal) -> None:
    terminal.slipway("login", works.scene.server.url, "--token-stdin", typed=make_token(works) + "\n")
    works.push("image: IMAGE\nstages:\n  long: {steps: [echo begun; sleep 300]}\n")
    following, watching = terminal.start("logs", "-f", "1", "-s", "long"), terminal.start("watch", "1")
    assert following.stdout is not None
    lines = iter(following.stdout.readline, "")
    assert "begun\n" in lines  # while the stage sleeps
    assert status_of(terminal) == "running"
    assert watching.stdout is not None
    assert watching.stdout.readline()  # it has begun, so that it hears the signal
    watching.send_signal(signal.SIGINT)
    said, complaints = watching.communicate(timeout=SECONDS)
    assert watching.returncode == 130, complaints
    assert "Run 1 goes on" in said
    assert status_of(terminal) == "running"
    assert "run 1" in terminal.slipway("cancel", "1")
    following.communicate(timeout=SECONDS)
    assert following.returncode == 1  # it was cancelled
    assert "■ cancelled" in terminal.slipway("watch", "1", status=1)


def status_of(terminal: Terminal) -> str:
    return str(json.loads(terminal.slipway("runs", "1", "--json"))["status"])
