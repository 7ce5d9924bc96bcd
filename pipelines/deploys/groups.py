"""Pure: two groups of hosts, of which one has the traffic."""

from collections.abc import Iterable

from pipelines.errors import UserError


class BadGroups(UserError):
    """Blue/green takes two groups of hosts, and the inventory does not say which host is of which."""


def idle_group(live: str, groups: Iterable[str]) -> str:
    """The group that a release goes to: the one without the traffic, or, where none has had it yet, the first by name.

    `groups` are the hosts' own, empty for a host without one. Raises BadGroups unless they are two.
    """
    names = set(groups)
    if "" in names:
        raise BadGroups("a host has no group: blue/green takes each host of the inventory to be of one of two groups")
    if len(names) != 2:
        listed = ", ".join(sorted(names)) or "none"
        raise BadGroups(f"blue/green takes two groups of hosts, and the inventory lists {listed}")
    return min(names - {live})
