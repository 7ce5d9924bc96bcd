"""How a ref stands by its commits, whatever was run again: no database."""

from datetime import UTC, datetime, timedelta

import pytest

from pipelines.runs.standing import Past, around, by_commit

START = datetime(2026, 3, 10, tzinfo=UTC)


def past(number: int, sha: str, status: str = "succeeded", *, of: int = 0, ended: float | None = None) -> Past:
    """A run that was made in minute `number`, and ended half a minute later or in that minute; `of`: a rerun of it."""
    end = None if status == "running" else START + timedelta(minutes=number + 0.5 if ended is None else ended)
    return Past(number, of or number, sha, status, START + timedelta(minutes=number), end)


def around_last(*runs: Past) -> tuple[str | None, bool]:
    """Of the one that ended last."""
    last = max((run for run in runs if run.finished_at), key=lambda run: str(run.finished_at))
    assert last.finished_at is not None
    return around(last.number, last.finished_at, runs)


@pytest.mark.parametrize(
    ("runs", "before", "is_overtaken"),
    [
        ([past(1, "a", "failed")], None, False),
        ([past(1, "a"), past(2, "b", "failed")], "succeeded", False),
        ([past(1, "a"), past(2, "b"), past(3, "a", "failed", of=1)], "succeeded", True),  # of an old commit
        ([past(1, "a"), past(2, "b"), past(3, "b", "failed", of=2)], "succeeded", False),  # of the newest
        ([past(1, "a"), past(2, "b", "failed"), past(3, "b", of=2)], "failed", False),
        ([past(1, "a"), past(2, "b", "failed"), past(3, "a", of=1)], "succeeded", True),
        # What the rerun of an old commit said is no news, so what comes next is told by what was known before it.
        ([past(1, "a"), past(2, "b"), past(3, "a", "failed", of=1), past(4, "c", "failed")], "succeeded", False),
        ([past(1, "a"), past(2, "b"), past(3, "a", "failed", of=1), past(4, "c")], "succeeded", False),
        # A later commit has no verdict yet: a first run still tells, a rerun does not.
        ([past(1, "a", "failed", ended=9), past(2, "b", "running")], None, False),
        ([past(1, "a"), past(2, "b", "running"), past(3, "a", "failed", of=1)], "succeeded", True),
        ([past(1, "a"), past(2, "a", "failed", of=1, ended=9), past(3, "b", "running")], "succeeded", True),
        # It failed when the later commit was there already: nobody was told, so that one is told.
        ([past(1, "a"), past(2, "a", "failed", of=1, ended=4), past(3, "b", "failed", ended=9)], "succeeded", False),
        # The same commit came again, by night or by a push that takes the branch back: it is the newest.
        ([past(1, "a"), past(2, "a", "failed"), past(3, "a", of=1)], "failed", False),
        ([past(1, "a"), past(2, "b"), past(3, "a"), past(4, "a", "failed", of=1)], "succeeded", False),
        # Cancelled ones say nothing.
        ([past(1, "a"), past(2, "b", "cancelled"), past(3, "c", "failed")], "succeeded", False),
        # A later run has its verdict already.
        ([past(1, "a", "failed", ended=9), past(2, "b")], None, True),
    ],
)
def test_what_the_verdict_before_was_and_whether_a_later_commit_counts(
    runs: list[Past], before: str | None, is_overtaken: bool
) -> None:
    assert around_last(*runs) == (before, is_overtaken)


def test_only_what_was_there_at_that_moment_is_looked_at() -> None:
    runs = [past(1, "a"), past(2, "b", "failed"), past(5, "c"), past(6, "b", of=2)]
    assert around(2, START + timedelta(minutes=3), runs) == ("succeeded", False)


def test_one_that_is_not_among_the_newest_is_no_news() -> None:
    assert around(1, START + timedelta(minutes=9), [past(2, "b")]) == (None, True)


def test_reruns_stand_by_their_commit_and_what_has_none_yet_by_itself() -> None:
    runs = [past(1, "a"), past(2, ""), past(3, "b"), past(4, "a", of=1), past(5, ""), past(6, "b", of=3)]
    assert [run.number for run in by_commit(runs)] == [1, 4, 2, 3, 6, 5]


def test_without_a_rerun_they_stand_as_they_came() -> None:
    assert [run.number for run in by_commit([past(2, "b"), past(1, "a"), past(3, "a")])] == [1, 2, 3]
