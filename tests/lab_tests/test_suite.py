"""The runner of the whole suite: what it asks again, and what it never lets pass."""

from pathlib import Path

import pytest

from tests.lab import suite
from tests.lab.suite import Part

ONCE = """
from pathlib import Path

def test_that_leans_on_its_neighbours():
    known = Path("known")
    was_there = known.exists()
    known.touch()
    assert was_there
"""


@pytest.fixture
def part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Part:
    monkeypatch.chdir(tmp_path)
    return Part("few", ["-c", "/dev/null", "--rootdir", str(tmp_path), "-p", "no:django", "-q"], "0")


def test_what_failed_beside_others_is_named_and_asked_once_more(part: Part, capfd: pytest.CaptureFixture[str]) -> None:
    Path("test_one.py").write_text(ONCE)
    Path("test_two.py").write_text("def test_that_holds(): pass\n")
    assert part.ask([]) == pytest.ExitCode.OK
    told = capfd.readouterr().out
    assert "1 failed and are asked once more, alone:\n  test_one.py::test_that_leans_on_its_neighbours" in told
    assert told.rstrip().splitlines()[-1].startswith("1 passed")


def test_what_fails_again_fails_the_part(part: Part) -> None:
    Path("test_one.py").write_text("def test_that_never_holds(): assert False\n")
    assert part.ask([]) == pytest.ExitCode.TESTS_FAILED


def test_where_many_fail_none_is_asked_again(part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "ASKED_AGAIN_MAX", 0)
    Path("test_one.py").write_text(ONCE)
    assert part.ask([]) == pytest.ExitCode.TESTS_FAILED


def test_what_failed_in_an_earlier_suite_is_not_asked_in_this(part: Part) -> None:
    Path("test_one.py").write_text("def test_that_never_holds(): assert False\n")
    part.ask([])
    Path("test_one.py").write_text("def test_that_never_holds(): pass\n")
    assert part.ask([]) == pytest.ExitCode.OK
