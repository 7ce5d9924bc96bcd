"""A file or a program that answers in Ansible's JSON form, as `--list` prints it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from django.conf import settings as server_settings

from pipelines.deploys.inventories import FILE_NAME, KEYS
from runners.clouds.groups import Answer, read_answer
from runners.clouds.inventory import (
    BadInventory,
    FoundHost,
    InventoryRefused,
    checked_address,
    refuse_unknown,
    settle,
    text_of,
)
from runners.clouds.programs import output_of

ANSWER_SECONDS = 45.0
ANSWER_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class AnsibleList:
    """`{"program": "list-hosts", "groups": ["web"], "host_groups": ["blue", "green"]}`, or `file` instead.

    Both are plain names in the one directory that is named on the machines that deploy: whoever may write an
    environment's settings in the admin pages does not thereby choose what is executed there.
    `groups` chooses the hosts, those of their children too (the usual: all); of `host_groups` a host belongs to at
    most one, which becomes its group.
    """

    name: str
    is_program: bool
    groups: tuple[str, ...]
    host_groups: tuple[str, ...]

    @classmethod
    def parse(cls, settings: Mapping[str, Any]) -> Self:
        refuse_unknown(settings, KEYS["ansible"])
        file, program = text_of(settings, "file"), text_of(settings, "program")
        if bool(file) == bool(program):
            raise BadInventory("inventory: write either file or program, the name of one in the inventory directory.")
        name = file or program
        if not FILE_NAME.match(name):
            raise BadInventory(f"inventory: {name!r} is not a plain name of a file in the inventory directory.")
        return cls(name, bool(program), _names(settings, "groups") or ("all",), _names(settings, "host_groups"))

    def hosts(self) -> tuple[FoundHost, ...]:
        where = f"the inventory {self.name}"
        answer = read_answer(self._ask(where), where)
        chosen = sorted({host for group in self.groups for host in answer.members(group)})
        return settle([self._found(answer, host) for host in chosen], f"{where}, in {', '.join(self.groups)},")

    def _ask(self, where: str) -> bytes:
        if not self.is_program:
            return _read(self._path(), where)
        args = [str(self._path()), "--list"]
        return output_of(args, where, seconds=ANSWER_SECONDS, most_bytes=ANSWER_BYTES)

    def _path(self) -> Path:
        directory = server_settings.SLIPWAY_INVENTORY_DIRECTORY
        if directory is None:
            raise InventoryRefused(
                "This server takes no inventories from files or programs: its operator has to name a directory for"
                " them in SLIPWAY_INVENTORY_DIRECTORY."
            )
        path = Path(directory) / self.name
        if not path.is_file():
            raise InventoryRefused(f"There is no {self.name} in the inventory directory of the machine that deploys.")
        if self.is_program and not os.access(path, os.X_OK):
            raise InventoryRefused(f"{self.name} in the inventory directory may not be executed (chmod +x).")
        return path

    def _found(self, answer: Answer, host: str) -> FoundHost:
        values = answer.values(host)
        address = values.get("ansible_host", values.get("ansible_ssh_host", host))
        port = values.get("ansible_port", values.get("ansible_ssh_port"))
        groups = [group for group in self.host_groups if host in answer.members(group)]
        if len(groups) > 1:
            raise BadInventory(f"{self.name}: {host} is in {' and in '.join(groups)}; it has to be in one of them.")
        return FoundHost(host, checked_address(str(address), host), "", _port(port, host), "".join(groups))


def _names(settings: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = settings.get(key, [])
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise BadInventory(f"inventory: {key} has to be the name of a group, or a list of them, not {value!r}.")
    return tuple(names)


def _port(value: object, host: str) -> int | None:
    if value is None:
        return None
    text = str(value)
    if text.isdecimal() and 0 < int(text) < 65536:
        return int(text)
    raise BadInventory(f"{host}: ansible_port has to be a number from 1 to 65535, not {value!r}.")


def _read(path: Path, where: str) -> bytes:
    with path.open("rb") as file:
        data = file.read(ANSWER_BYTES + 1)
    if len(data) > ANSWER_BYTES:
        raise InventoryRefused(f"{where} is longer than {ANSWER_BYTES // 1024 // 1024} MiB.")
    return data
