"""Who gets what waits, and what becomes of the rest."""

import threading
import time

import pytest

from runners.containers.waiting import Place, WaitingRoom

CLEARED: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_cleared() -> None:
    CLEARED.clear()


def place(stage: int, attempt: int = 1) -> Place:
    return Place(stage, attempt, CLEARED.append)


def never() -> None:
    """A watch that has nothing to say."""


def full(room: WaitingRoom, stage: int, attempt: int = 1) -> Place:
    made = place(stage, attempt)
    assert room.reserve(made, 5)
    assert made.made.set_running_or_notify_cancel()
    made.made.set_result(("seal", f"container {stage}"))
    return made


def test_what_waits_is_taken_once() -> None:
    room = WaitingRoom()
    full(room, 1)

    assert room.has(1)
    assert room.take(1, 1, "seal", never) == "container 1"
    assert room.take(1, 1, "seal", never) is None
    assert (room.has(1), CLEARED) == (False, [])


@pytest.mark.parametrize(("attempt", "seal"), [(2, "seal"), (1, "another")])
def test_what_is_not_exactly_what_was_ordered_is_cleared(attempt: int, seal: str) -> None:
    room = WaitingRoom()
    full(room, 1)

    assert room.take(1, attempt, seal, never) is None
    assert CLEARED == ["container 1"]


def test_there_is_room_for_so_many_and_for_each_stage_once() -> None:
    room = WaitingRoom()

    assert room.reserve(place(1), 2)
    assert not room.reserve(place(1), 2)
    assert room.reserve(place(2), 2)
    assert not room.reserve(place(3), 2)


def test_who_comes_while_it_is_made_waits_for_it() -> None:
    room, coming = WaitingRoom(), place(1)
    room.reserve(coming, 1)
    coming.made.set_running_or_notify_cancel()
    threading.Timer(0.3, coming.made.set_result, [("seal", "late")]).start()

    assert room.take(1, 1, "seal", never) == "late"


def test_who_is_told_to_stop_meanwhile_does_not_wait_and_what_comes_is_cleared() -> None:
    room, coming = WaitingRoom(), place(1)
    room.reserve(coming, 1)
    coming.made.set_running_or_notify_cancel()

    def stop() -> None:
        raise TimeoutError("told to stop")

    with pytest.raises(TimeoutError, match="told"):
        room.take(1, 1, "seal", stop)
    assert coming.abandoned.is_set()
    coming.made.set_result(("seal", "late"))
    assert CLEARED == ["late"]


def test_what_was_not_begun_or_failed_is_made_by_who_needs_it() -> None:
    room, failed = WaitingRoom(), place(2)
    room.reserve(place(1), 5)
    room.reserve(failed, 5)
    failed.made.set_running_or_notify_cancel()
    failed.made.set_exception(OSError("no engine"))
    began = time.monotonic()

    assert room.take(1, 1, "seal", never) is None
    assert room.take(2, 1, "seal", never) is None
    assert time.monotonic() - began < 60
    assert CLEARED == []


def test_all_but_what_is_kept_is_cleared() -> None:
    room = WaitingRoom()
    for stage in (1, 2, 3):
        full(room, stage)

    assert sorted(room.keep([2])) == [1, 3]
    assert sorted(CLEARED) == ["container 1", "container 3"]
    assert room.has(2)
