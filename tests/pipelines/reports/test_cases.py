"""Results as values: keys, cuts, masks, and the compact form."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.reports.cases import Case, Collected, Coverage, find, masked, pack, told, unique, unpack, whole
from pipelines.states.status import Status

OUTCOMES = [Status.SUCCEEDED, Status.FAILED, Status.ERRORED, Status.SKIPPED]
NAMES = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=12)
CASES = st.builds(
    Case,
    name=NAMES,
    outcome=st.sampled_from(OUTCOMES),
    group=NAMES,
    seconds=st.none() | st.integers(0, 1000).map(float),
    text=NAMES,
)


def case(name: str, outcome: Status = Status.SUCCEEDED, **fields: object) -> Case:
    return replace(Case(name, outcome), **fields)  # type: ignore[arg-type]


def test_a_test_keeps_its_key_when_it_moves_within_or_between_files() -> None:
    assert case("t", file="a.py", line=1).key == case("t", file="b.py", line=2, outcome=Status.FAILED).key
    assert len({case("t").key, case("t", group="g").key, case("t", suite="g").key, case("u").key}) == 4


@given(st.lists(CASES))
def test_the_compact_form_gives_back_what_was_put_in(cases: list[Case]) -> None:
    packed = pack(cases)

    assert list(unpack(packed)) == [(one.key, one.outcome, one.seconds) for one in cases]
    assert len(packed) == 13 * len(cases)


@given(st.lists(CASES, unique_by=lambda one: one.key), CASES)
def test_one_test_is_found_among_all(cases: list[Case], other: Case) -> None:
    packed = pack(cases)

    assert all(find(packed, one.key) == (one.outcome, one.seconds) for one in cases)
    if other.key not in {one.key for one in cases}:
        assert find(packed, other.key) is None


def test_a_key_that_stands_across_two_others_is_not_found() -> None:
    cells = bytes(13) + bytes.fromhex("0102030405060708") + bytes(5)

    assert find(cells, "0001020304050607") is None
    assert find(cells, "0102030405060708") == (Status.SKIPPED, 0.0)


def test_of_two_results_under_one_name_the_worse_counts() -> None:
    cases = [case("a"), case("b"), case("a", Status.FAILED), case("a"), case("b", flaky=True)]

    assert [(one.name, one.outcome, one.flaky) for one in unique(cases)] == [
        ("a", Status.FAILED, False),
        ("b", Status.SUCCEEDED, True),
    ]


def test_every_text_is_masked_before_it_is_cut() -> None:
    secret = "hunter2-hunter2"
    long = "x" * 295 + secret
    [hidden] = masked([Case(long, Status.FAILED, long, long, 1.0, long * 2, long, long)], _hide(secret))

    shown = (hidden.name, hidden.suite, hidden.group, hidden.message, hidden.text, hidden.file)
    assert not any("hunter" in text for text in shown)
    assert len(hidden.name) <= 300


def _hide(secret: str):  # type: ignore[no-untyped-def]
    return lambda text: text.replace(secret, "***")


def test_a_mask_that_swallows_the_seams_between_texts_is_asked_for_each() -> None:
    [hidden] = masked([case("a", text="b")], lambda text: "***" if "\x1f" in text else text.upper())

    assert (hidden.name, hidden.text) == ("A", "B")


def test_a_long_text_keeps_its_beginning_and_its_end() -> None:
    [cut] = masked([case("t", text="a" * 9000 + "\nE  assert no")], str)

    assert cut.text.startswith("aaa")
    assert cut.text.endswith("E  assert no")
    assert "characters are left out" in cut.text
    assert len(cut.text) <= 8000


@pytest.mark.parametrize(
    ("failed", "new", "sentence"),
    [
        (1, 0, "1 test failed"),
        (1, 1, "1 test failed, it is new"),
        (3, 0, "3 tests failed"),
        (3, 2, "3 tests failed, 2 of them new"),
        (2, 2, "2 tests failed, all of them new"),
    ],
)
def test_failures_are_told_in_a_sentence(failed: int, new: int, sentence: str) -> None:
    assert told(failed, new) == sentence


def test_a_stage_with_failed_tests_has_a_reason_and_one_without_has_none() -> None:
    failed = Collected((case("a"), case("b", Status.ERRORED), case("c", Status.FAILED)))

    assert (failed.failures, failed.verdict) == (2, "2 tests failed")
    assert Collected((case("a"),)).verdict == ""


def test_several_coverages_make_one() -> None:
    assert whole([Coverage(1, 4), Coverage(5, 6)]) == Coverage(6, 10)
    assert whole([]) is None
