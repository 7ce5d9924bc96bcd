"""The language of `if`."""

import pytest

from pipelines.spec.expressions import ExpressionError, read

FACTS = {
    "event": "push",
    "branch": "release/1",
    "tag": "",
    "message": 'say "x" [ci]',
    "parameters.n": "3",
    "yes": "true",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("event == 'push'", True),
        ('event == "tag"', False),
        ("event != 'tag'", True),
        ("branch matches 'release/*'", True),
        ("branch matches 'release'", False),
        ("event in ['tag', 'push']", True),
        ("not event in ['tag']", True),
        ("message contains '[ci]'", True),
        ("parameters.n == 3", True),
        ("yes == true", True),
        ("yes", True),
        ("tag", False),
        ("false", False),
        ("unknown", False),
        ("!tag && yes", True),
        ("tag || yes", True),
        ("tag and yes or yes", True),
        ("tag and (yes or yes)", False),
        ("not tag and not tag", True),
        ("not (tag or yes)", False),
        ("(event == 'push') == true", True),
        ("event == branch", False),
        ("'a' in ['a']", True),
        ("-1.5 == '-1.5'", True),
    ],
)
def test_expressions(text: str, expected: bool) -> None:
    assert read(text).holds(FACTS) is expected


@pytest.mark.parametrize(
    ("text", "offset", "words"),
    [
        ("event = 'push'", 6, "=="),
        ("event == ", 8, "ends too early"),
        ("event == 'push", 9, "not closed"),
        ("event ==== 'x'", 8, "'=='"),
        ("(event", 5, "ends too early"),
        ("event)", 5, "too much"),
        ("event in branch", 9, "a list"),
        ("event in []", 10, "a quoted text"),
        ("branch matches tag", 15, "a quoted glob"),
        ("event == 'a' == 'b'", 13, "too much"),
        ("$branch", 0, "a plain name"),
        ("a & b", 2, "&&"),
        ("and", 0, "does not fit"),
        ("", 0, "ends too early"),
        ("(" * 30 + "a", 20, "nested deeper"),
        ("!" * 30 + "a", 20, "nested deeper"),
        ("3x == 1", 0, "means nothing"),
    ],
)
def test_a_mistake_is_shown_at_its_character(text: str, offset: int, words: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        read(text)
    assert caught.value.offset == offset
    assert words in f"{caught.value.message} {caught.value.expected}"


def test_the_names_of_an_expression_are_told_with_their_places() -> None:
    assert read("a.b and (c == 'd' or not e)").names == (("a.b", 0), ("c", 9), ("e", 25))
