"""The screen tells exactly which needles are in a text, whatever it passes over."""

import random

from hypothesis import given
from hypothesis import strategies as st

from runners.screening import Screen

_LETTERS = b"abcd0"


@given(st.data())
def test_it_says_the_same_as_a_search_for_each(data: st.DataObject) -> None:
    word = st.lists(st.sampled_from(_LETTERS), min_size=1, max_size=40).map(bytes)
    needles = sorted(data.draw(st.sets(word, min_size=1, max_size=30)))
    screen = Screen(needles)
    for _ in range(3):
        pieces = data.draw(st.lists(st.one_of(word, st.sampled_from(needles)), max_size=8))
        text = b"".join(pieces)
        assert screen.present(text) == tuple(needle for needle in needles if needle in text)


def test_a_long_needle_is_found_wherever_it_begins_and_however_the_text_ends() -> None:
    choices = random.Random(3)
    needles = [choices.randbytes(length) for length in range(15, 45)]
    screen = Screen(needles)
    for needle in needles:
        for before in range(17):
            for after in (0, 1, 7, 8):
                text = choices.randbytes(before) + needle + choices.randbytes(after)
                assert needle in screen.present(text)


def test_nothing_is_in_an_empty_text_and_no_needles_are_in_any() -> None:
    assert Screen([b"secret"]).present(b"") == ()
    assert Screen([]).present(b"secret") == ()
