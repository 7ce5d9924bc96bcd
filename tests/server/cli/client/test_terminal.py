"""What people see while something lasts, and before they say yes."""

import io
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from server.cli.client import preview, times
from server.cli.client.progress import Part, Progress
from tests.lab.server import ROOT

HEAVY = {"django", "pipelines.spec", "runners", "redis", "docker", "git", "paramiko", "yaml", "ninja"}
PREVIEW: dict[str, Any] = {
    "impossible": "",
    "refusals": [{"waits_for": "freeze", "reason": "frozen until Monday", "until": None}],
    "backwards": True,
    "commits": [{"sha": "0123456789ab", "title": "Add a cart", "author": "Ada"}],
    "commits_left_out": 3,
    "changes": [{"name": "WORKERS", "old": "2", "new": "4"}, {"name": "NEW", "old": None, "new": "x"}],
    "secrets": 1,
    "strategy": "one host, then the rest",
    "waves": [["web-1"], ["web-2", "web-3"]],
    "problem": "",
    "migrate": "./manage.py migrate",
    "irreversible": True,
    "ahead": 0,
    "usual_seconds": 200.0,
}


def test_off_a_terminal_each_change_is_told_once() -> None:
    out = io.StringIO()
    with Progress(Console(file=out, width=100)) as progress:
        progress.update("shop run 1", [Part("build", "running", 1), Part("test", "pending", None)])
        progress.update("shop run 1", [Part("build", "running", 2), Part("test", "pending", None)])
        progress.update("shop run 1", [Part("build", "succeeded", 3), Part("test", "running", 0)])
        progress.update("shop run 1", [Part("build", "succeeded", 3), Part("test", "failed", 65, "step 1, pytest")])
    assert out.getvalue().splitlines() == [
        "shop run 1",
        "  build ▸ running",
        "  build ✓ succeeded after 3 s",
        "  test ▸ running",
        "  test ✗ failed after 1 min 5 s: step 1, pytest",
    ]


def test_on_a_terminal_it_is_drawn_in_place_with_every_part() -> None:
    out = io.StringIO()
    with Progress(Console(file=out, width=80, force_terminal=True)) as progress:
        progress.update("shop run 1", [Part("build", "running", 1), Part("test", "pending", None)])
        progress.update("shop run 1", [Part("build", "succeeded", 3), Part("test", "running", 4)])
    assert "\x1b[" in out.getvalue()
    assert "test" in out.getvalue()
    assert out.getvalue().rstrip().endswith("\x1b[?25h")  # the cursor is shown again


def test_what_a_part_says_moves_no_terminal() -> None:
    out = io.StringIO()
    with Progress(Console(file=out, width=100)) as progress:
        progress.update("a\x1b[2Jb", [Part("x\x1b]0;t\x07y", "failed", 1, "why\x1b[1A\nnot")])
    assert out.getvalue() == "ab\n  xy ✗ failed after 1 s: why not\n"


def test_before_a_deploy_is_shown_what_changes_and_the_least_welcome_last() -> None:
    told = list(preview.of_deploy(PREVIEW))
    assert told[:4] == ["01234567 Add a cart (Ada)", "and 3 more commits", "WORKERS: 2 → 4", "NEW: nothing → x"]
    assert "3 hosts, one host, then the rest: web-1, web-2, web-3" in told
    assert "usually takes 3 min 20 s" in told
    assert any("no way back" in line for line in told)
    assert any("OLDER" in line for line in told)
    assert told[-1] == "will wait: frozen until Monday"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (None, "–"),
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (90000, "1 d 1 h"),
    ],
)
def test_a_length_of_time_has_two_units_at_most(seconds: float | None, told: str) -> None:
    assert times.length(seconds) == told


def test_how_long_ago_is_told_in_one_unit() -> None:
    now = datetime.now(UTC)
    assert times.ago((now - timedelta(seconds=5)).isoformat()) == "now"
    assert times.ago((now - timedelta(minutes=61)).isoformat()) == "1 h ago"
    assert times.ago((now - timedelta(days=3)).isoformat().replace("+00:00", "Z")) == "3 d ago"


def test_a_command_of_the_client_loads_nothing_of_the_server() -> None:
    """Starting fast is not loading what is not needed: this cannot be seen in a process that has loaded it all."""
    program = "import sys, server.cli.main; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {name for name in loaded.stdout.split() if name in HEAVY}
