"""Text from elsewhere on somebody's terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.cli.controls import coloured, last_state, plain

HOSTILE = [
    "\x1b]0;title\x07",
    "\x1b]52;c;cm0gLXJm\x07",
    "\x1b]8;;http://evil.example\x1b\\",
    "\x1b[2J\x1b[H",
    "\x1b[6n",
    "\x1bc",
    "\x1b(0",
    "\x1bPq#0\x1b\\",
    "\x9b2J",
    "\x9d0;title\x9c",
    "\x07\x08\x0b\x0c\x0e",
    "\u202e\u2066",
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_what_moves_titles_asks_or_copies_does_not_pass(hostile: str) -> None:
    assert plain(f"a{hostile}b") == "ab"
    assert coloured(f"a{hostile}b") == "ab"


def test_colours_pass_where_they_may_and_end_with_the_text() -> None:
    assert coloured("\x1b[1;31mred") == "\x1b[1;31mred\x1b[0m"
    assert plain("\x1b[1;31mred") == "red"


def test_a_sequence_that_never_ends_takes_nothing_after_its_line() -> None:
    assert plain("a\x1b]0;title without end") == "a"


def test_of_a_line_that_was_overwritten_the_last_state_stays() -> None:
    assert last_state("10 %\r50 %\r100 %\r") == "100 %"


def test_tabs_and_letters_of_every_language_stay() -> None:
    assert plain("\tgrüße 你好\n") == "\tgrüße 你好\n"


@given(st.text(alphabet="\x1b[]0;1mHJc\x07\x9b\x9d\x9c\\(PX^_ a", max_size=40))
def test_nothing_puts_itself_together_again(text: str) -> None:
    assert "\x1b" not in plain(text)
    assert plain(plain(text)) == plain(text)
    once = coloured(text)
    assert "\x1b" not in plain(once)
    assert coloured(once).replace("\x1b[0m", "") == once.replace("\x1b[0m", "")
