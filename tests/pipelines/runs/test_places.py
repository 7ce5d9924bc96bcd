"""Who may enter a concurrency group, and who has to make room in it."""

from hypothesis import given
from hypothesis import strategies as some

from pipelines.runs.places import Member, ahead, superseded


def test_the_first_to_come_enters_and_the_others_wait_for_those_before_them() -> None:
    assert ahead([Member(1, (1,)), Member(2, (2,)), Member(3, (3,))]) == {2: 1, 3: 2}


def test_who_is_in_counts_though_they_came_later() -> None:
    assert ahead([Member(1, (1,)), Member(2, (2,), holds=True)]) == {1: 1}


def test_a_group_of_two_takes_two() -> None:
    members = [Member(n, (n,), limit=2, holds=n == 1) for n in (1, 2, 3)]
    assert ahead(members) == {3: 1}


def test_a_newcomer_sends_away_what_waits_before_it() -> None:
    members = [Member(1, (1,), holds=True, number=1), Member(2, (2,), number=2), Member(3, (3,), number=3)]
    newcomer = Member(4, (4,), cancel="pending", number=4)
    assert superseded([*members, newcomer]) == {2: 4, 3: 4}


def test_a_newcomer_may_also_send_away_what_runs() -> None:
    members = [Member(1, (1,), holds=True, number=1), Member(2, (2,), cancel="running", number=2)]
    assert superseded(members) == {1: 2}


def test_stages_of_one_run_spare_each_other() -> None:
    assert superseded([Member(1, (1, 0), number=1), Member(2, (1, 1), cancel="running", number=1)]) == {}


def test_who_has_not_come_yet_sends_nobody_away() -> None:
    newcomer = Member(2, (2,), cancel="running", number=2, has_come=False)
    assert superseded([Member(1, (1,), number=1), newcomer]) == {}


@given(some.lists(some.booleans(), max_size=8), some.integers(1, 3))
def test_a_group_never_holds_more_than_its_limit_and_never_stands_still(holding: list[bool], limit: int) -> None:
    inside = {n for n, holds in enumerate(holding) if holds}
    inside = set(sorted(inside)[:limit])
    waiting = set(range(len(holding))) - inside
    order: list[int] = []
    while waiting or inside:
        members = [Member(n, (n,), limit, holds=n in inside) for n in waiting | inside]
        wait = ahead(members)
        entering = sorted(n for n in waiting if n not in wait)
        assert len(inside) + len(entering) <= limit
        order += entering
        waiting -= set(entering)
        inside |= set(entering)
        assert inside, "somebody is always in while somebody waits"
        inside.remove(min(inside))
    assert order == sorted(order)
