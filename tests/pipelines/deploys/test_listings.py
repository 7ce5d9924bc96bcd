"""What an inventory's answer changes."""

from pipelines.deploys.listings import Change, Place, What, compare

KNOWN = {"web-1": Place("10.0.0.1", 22, "blue"), "web-2": Place("10.0.0.2"), "web-3": Place("10.0.0.3")}


def test_the_same_hosts_change_nothing() -> None:
    assert compare(KNOWN, dict(KNOWN)) == []


def test_hosts_that_came_and_went_are_named() -> None:
    found = {**KNOWN, "web-4": Place("10.0.0.4")}
    del found["web-2"]
    assert compare(KNOWN, found) == [Change("web-4", What.NEW), Change("web-2", What.GONE, "10.0.0.2")]


def test_a_host_at_another_address_or_port_has_moved() -> None:
    found = {**KNOWN, "web-1": Place("10.0.0.1", 2222, "blue"), "web-2": Place("10.0.9.2")}
    assert compare(KNOWN, found) == [
        Change("web-1", What.MOVED, "10.0.0.1:22"),
        Change("web-2", What.MOVED, "10.0.0.2"),
    ]


def test_a_host_in_another_group_is_told_with_the_one_before() -> None:
    found = {**KNOWN, "web-1": Place("10.0.0.1", 22, "green"), "web-3": Place("10.0.0.3", None, "green")}
    assert compare(KNOWN, found) == [
        Change("web-1", What.REGROUPED, "blue"),
        Change("web-3", What.REGROUPED, "none"),
    ]
