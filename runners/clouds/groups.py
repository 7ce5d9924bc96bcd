"""Pure: reading Ansible's JSON form: groups with their hosts, children and values, and the hosts' own values."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runners.clouds.inventory import BadInventory


@dataclass(frozen=True, slots=True)
class Group:
    hosts: tuple[str, ...]
    children: tuple[str, ...]
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """`groups` always has `all`, which every host is in."""

    groups: Mapping[str, Group]
    host_values: Mapping[str, Mapping[str, Any]]
    where: str

    def members(self, name: str) -> frozenset[str]:
        """Its hosts and those of its children, however deep. Raises BadInventory for a group that is not there."""
        if name not in self.groups:
            known = ", ".join(sorted(self.groups))
            raise BadInventory(f"{self.where} has no group {name}; it has {known}.")
        if name == "all":
            return frozenset(host for group in self.groups.values() for host in group.hosts) | set(self.host_values)
        return frozenset(host for found in self._below(name) for host in self.groups[found].hosts)

    def values(self, host: str) -> dict[str, Any]:
        """As Ansible merges them: those of `all`, of its groups from the outermost in, then its own."""
        mine = [name for name in self.groups if name != "all" and host in self.members(name)]
        outermost_first = sorted(mine, key=lambda name: (-len(self._below(name)), name))
        merged: dict[str, Any] = {}
        for name in ("all", *outermost_first):
            merged |= self.groups[name].values
        return {**merged, **self.host_values.get(host, {})}

    def _below(self, name: str) -> set[str]:
        """The group and all groups below it; a group that is below itself is met once."""
        met: set[str] = set()
        waiting = [name]
        while waiting:
            group = waiting.pop()
            if group in self.groups and group not in met:
                met.add(group)
                waiting.extend(self.groups[group].children)
        return met


def read_answer(data: bytes, where: str) -> Answer:
    """Raises BadInventory, naming what is not as Ansible writes it."""
    try:
        answer = json.loads(data)
    except ValueError as error:
        raise BadInventory(f"{where} does not answer in JSON: {error}. Is it what `--list` prints?") from error
    if not isinstance(answer, dict):
        raise BadInventory(f"{where} answers with something else than a mapping of groups.")
    meta = answer.pop("_meta", {})
    values = meta.get("hostvars", {}) if isinstance(meta, dict) else None
    if not isinstance(values, dict) or not all(isinstance(own, dict) for own in values.values()):
        raise BadInventory(f"{where}: _meta.hostvars has to be a mapping of hosts to their values.")
    groups = {str(name): _group(str(name), group, where) for name, group in answer.items()}
    return Answer({"all": Group((), (), {}), **groups}, values, where)


def _group(name: str, group: object, where: str) -> Group:
    if isinstance(group, list):  # the short form: a group is its hosts
        group = {"hosts": group}
    if not isinstance(group, dict):
        raise BadInventory(f"{where}: group {name} is neither a mapping nor a list of hosts.")
    values = group.get("vars", {})
    if not isinstance(values, dict):
        raise BadInventory(f"{where}: vars of group {name} has to be a mapping.")
    return Group(_texts(group, "hosts", name, where), _texts(group, "children", name, where), values)


def _texts(group: Mapping[str, Any], key: str, name: str, where: str) -> tuple[str, ...]:
    listed = group.get(key, [])
    if not isinstance(listed, list) or not all(isinstance(one, str) and one for one in listed):
        raise BadInventory(f"{where}: {key} of group {name} has to be a list of names.")
    return tuple(listed)
