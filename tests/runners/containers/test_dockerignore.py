"""What a `.dockerignore` leaves out."""

import time

import pytest

from runners.containers.dockerignore import CHARACTERS_MAX, PATTERNS_MAX, Ignored, IgnoreRefused
from tests.lab.pace import slowness


@pytest.mark.parametrize(
    ("pattern", "out", "kept"),
    [
        ("a", "a a/b a/b/c", "ab b/a"),
        ("/a/", "a a/b", "b/a"),
        ("./a//b/../c", "a/c a/c/d", "a/b a"),
        ("*.pyc", "x.pyc x.pyc/y", "a/x.pyc"),
        ("**/*.pyc", "x.pyc a/x.pyc a/b/x.pyc", "x.py a/x.py"),
        ("**.pyc", "x.pyc a/b/x.pyc", "x.py"),
        ("*/temp*", "a/temp a/temporary/x", "temp a/b/temp"),
        ("a?", "ab", "a abc"),
        ("*.py[co]", "x.pyc x.pyo", "x.py x.pyd"),
        ("x[0-9][^a]", "x1b", "x1a xab"),
        (r"\!a", "!a", "a"),
        (r"a\*", "a*", "ab"),
        ("a/**", "a/b a/b/c", "a b"),
        ("a/**/b", "a/b a/x/b a/x/y/b a/x/b/c", "a b x/a/b"),
        ("a**/b", "a/b ax/b ax/y/b", "b"),
        ("**/x/y/**/z", "x/y/z a/x/y/z x/x/y/b/c/z", "x/z x/y x/a/y/z"),
        ("**", "a a/b .dockerignore", ""),
        (".", "", "a"),
        ("# a", "", "a"),
        ("  a \r", "a", ""),
        ("[", "[", "a"),
    ],
)
def test_what_a_pattern_leaves_out(pattern: str, out: str, kept: str) -> None:
    ignored = Ignored(f"\ufeff\n{pattern}\n")

    assert [path for path in out.split() if path not in ignored] == []
    assert [path for path in kept.split() if path in ignored] == []


def test_of_the_patterns_that_match_the_last_decides() -> None:
    ignored = Ignored("*\n!src\nsrc/*.log\n! src/kept.log\n")

    assert [path for path in ("a", "src", "src/a", "src/a.log", "src/kept.log", "b/c") if path in ignored] == [
        "a",
        "src/a.log",
        "b/c",
    ]


@pytest.mark.parametrize("pattern", ["**/" * 60 + "b", "**/" + "a/" * 90 + "b", "*a" * 90 + "b", "**/*a*a*a*a*a*b"])
def test_no_pattern_stretches_the_time(pattern: str) -> None:
    ignored = Ignored(pattern)
    begun = time.thread_time()

    assert "a/" * 2000 + "a" not in ignored
    assert "/".join(["a" * 250] * 16) not in ignored
    assert time.thread_time() - begun < 30 * slowness()  # to try all ways would take longer than there is time


@pytest.mark.parametrize("text", ["a\n" * (PATTERNS_MAX + 1), "a" * (CHARACTERS_MAX + 1)])
def test_too_many_patterns_are_refused_in_words(text: str) -> None:
    with pytest.raises(IgnoreRefused, match="has more than 1000 patterns, or 20000 characters of them"):
        Ignored(text)
