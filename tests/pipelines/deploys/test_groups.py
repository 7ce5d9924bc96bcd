"""Which of two groups a release goes to."""

import pytest

from pipelines.deploys.groups import BadGroups, idle_group


@pytest.mark.parametrize(
    ("live", "groups", "idle"),
    [
        ("", ["green", "blue", "green"], "blue"),
        ("blue", ["blue", "green"], "green"),
        ("green", ["blue", "green"], "blue"),
        ("red", ["blue", "green"], "blue"),  # the group that had the traffic has left the inventory
    ],
)
def test_a_release_goes_to_the_group_without_the_traffic(live: str, groups: list[str], idle: str) -> None:
    assert idle_group(live, groups) == idle


@pytest.mark.parametrize(
    ("groups", "said"),
    [([], "none"), (["blue"], "lists blue"), (["a", "b", "c"], "a, b, c"), (["blue", ""], "a host has no group")],
)
def test_anything_but_two_groups_is_refused(groups: list[str], said: str) -> None:
    with pytest.raises(BadGroups, match=said):
        idle_group("", groups)
