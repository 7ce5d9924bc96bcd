"""What is asked of who starts a run, and whether the answers fit."""

import pytest

from pipelines.errors import UserError
from pipelines.spec.model import ParameterSpec
from pipelines.spec.parameters import check
from pipelines.spec.parser import parse

PARAMETERS = (
    ParameterSpec("where", "choice", default="a", options=("a", "b")),
    ParameterSpec("fast", "boolean", default="true"),
    ParameterSpec("count", "number"),
    ParameterSpec("note", default=""),
)


def test_what_was_not_given_has_its_default() -> None:
    assert check(PARAMETERS, {"count": "1.5"}) == {"where": "a", "fast": "true", "count": "1.5", "note": ""}


def test_everything_that_is_wrong_is_told_at_once() -> None:
    given = {"where": "c", "fast": "yes", "note": "\x1b", "other": "x"}
    with pytest.raises(UserError) as caught:
        check(PARAMETERS, given)
    assert str(caught.value).splitlines() == [
        "there is no parameter 'other'",
        "where: 'c' does not fit; expected one of a, b",
        "fast: 'yes' does not fit; expected true or false",
        "count: this is needed",
        "note: '\\x1b' does not fit; expected a text of at most 4,000 characters",
    ]


@pytest.mark.parametrize("number", ["1e3", "nan", "", "1.", "٣", "--1", "0x1", "1" * 40])
def test_a_number_is_digits(number: str) -> None:
    with pytest.raises(UserError, match="count"):
        check(PARAMETERS, {"count": number})


def test_a_default_says_its_type() -> None:
    text = "parameters: {a: text, b: 3, c: true, d: '3', e: {options: [x, y]}, f: {type: number, default: 1.50}}\n"
    found = parse(text + "image: x\nstages: {a: {steps: [x]}}\n").parameters
    assert [(one.name, one.kind, one.default) for one in found] == [
        ("a", "text", "text"),
        ("b", "number", "3"),
        ("c", "boolean", "true"),
        ("d", "text", "3"),
        ("e", "choice", None),
        ("f", "number", "1.50"),
    ]
