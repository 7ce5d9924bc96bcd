"""Files and programs that answer in Ansible's JSON form."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runners.clouds import ansible
from runners.clouds.inventory import BadInventory, FoundHost, InventoryFailed, InventoryRefused, NoHosts
from runners.clouds.sources import open_inventory

ANSWER: dict[str, Any] = {
    "_meta": {"hostvars": {"web-1": {"ansible_host": "10.0.0.1"}, "web-2": {"ansible_port": "2222"}, "db-1": {}}},
    "all": {"children": ["ungrouped", "shop"], "vars": {"ansible_port": 22022}},
    "shop": {"children": ["web", "db"]},
    "web": {"hosts": ["web-1", "web-2"], "vars": {"ansible_port": 2200}},
    "db": ["db-1"],
    "blue": {"hosts": ["web-1"]},
    "green": {"hosts": ["web-2"]},
}


@pytest.fixture
def directory(tmp_path: Path, settings: Any) -> Path:
    settings.SLIPWAY_INVENTORY_DIRECTORY = tmp_path
    return tmp_path


@pytest.fixture
def program(directory: Path) -> Callable[[str], None]:
    def write(text: str) -> None:
        path = directory / "list-hosts"
        path.write_text(text)
        path.chmod(0o755)

    return write


def from_file(directory: Path, answer: Any, **settings: Any) -> tuple[FoundHost, ...]:
    (directory / "hosts.json").write_text(answer if isinstance(answer, str) else json.dumps(answer))
    return open_inventory("ansible", {"file": "hosts.json", **settings}).hosts()


def run() -> tuple[FoundHost, ...]:
    return open_inventory("ansible", {"program": "list-hosts"}).hosts()


def test_a_group_is_its_hosts_and_those_of_its_children(directory: Path) -> None:
    assert [host.name for host in from_file(directory, ANSWER, groups=["shop"])] == ["db-1", "web-1", "web-2"]
    assert [host.name for host in from_file(directory, ANSWER, groups="web")] == ["web-1", "web-2"]
    assert [host.name for host in from_file(directory, ANSWER)] == ["db-1", "web-1", "web-2"]


def test_the_hosts_own_values_go_before_those_of_its_group_and_these_before_everybodys(directory: Path) -> None:
    found = {host.name: (host.address, host.port) for host in from_file(directory, ANSWER)}
    assert found == {"web-1": ("10.0.0.1", 2200), "web-2": ("web-2", 2222), "db-1": ("db-1", 22022)}


def test_a_host_group_is_the_one_of_the_named_that_it_is_in(directory: Path) -> None:
    found = from_file(directory, ANSWER, host_groups=["blue", "green"])
    assert {host.name: host.group for host in found} == {"web-1": "blue", "web-2": "green", "db-1": ""}


def test_a_host_in_both_host_groups_is_refused(directory: Path) -> None:
    with pytest.raises(BadInventory, match="web-1 is in blue and in web"):
        from_file(directory, ANSWER, host_groups=["blue", "web"])


def test_groups_that_contain_each_other_end(directory: Path) -> None:
    found = from_file(directory, {"a": {"children": ["b"], "hosts": ["one"]}, "b": {"children": ["a"]}}, groups=["b"])
    assert [host.name for host in found] == ["one"]


def test_a_group_that_is_not_there_is_refused_with_those_that_are(directory: Path) -> None:
    with pytest.raises(BadInventory, match="has no group wbe; it has all, blue, db"):
        from_file(directory, ANSWER, groups=["wbe"])


def test_an_empty_group_is_no_success(directory: Path) -> None:
    with pytest.raises(NoHosts):
        from_file(directory, {"web": []}, groups=["web"])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("not json", "does not answer in JSON"),
        ([], "mapping of groups"),
        ({"web": 7}, "group web is neither"),
        ({"web": {"hosts": "web-1"}}, "hosts of group web has to be a list"),
        ({"_meta": {"hostvars": {"web-1": 7}}}, "_meta.hostvars"),
        ({"web": {"hosts": ["web-1"], "vars": []}}, "vars of group web"),
        ({"web": ["-oProxyCommand=x"]}, "neither a host name nor an IP address"),
        ({"web": ["w"], "_meta": {"hostvars": {"w": {"ansible_host": "{{ secret }}"}}}}, "neither a host name"),
        ({"web": ["w"], "_meta": {"hostvars": {"w": {"ansible_port": "ssh"}}}}, "ansible_port has to be a number"),
    ],
)
def test_what_is_not_in_the_form_is_said(directory: Path, answer: Any, words: str) -> None:
    with pytest.raises(BadInventory, match=words):
        from_file(directory, answer)


def test_a_program_is_asked_with_list_and_nothing_of_our_environment(
    directory: Path, program: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPWAY_SECRET_KEY", "hunter2")
    program("""#!/bin/sh\n[ "$*" = --list ] || exit 9\nenv > seen\necho '{"web": ["10.0.0.1"]}'\n""")
    assert [host.address for host in run()] == ["10.0.0.1"]
    seen = (directory / "seen").read_text()
    assert "hunter2" not in seen
    assert "DJANGO" not in seen
    assert "PATH=" in seen


def test_what_a_program_that_fails_complains_of_is_in_our_log_and_on_no_page(
    program: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    program("#!/bin/sh\necho no such token: hunter2 >&2\nexit 3\n")
    with pytest.raises(InventoryFailed, match="ended with status 3; what it said is in the log") as raised:
        run()
    assert "hunter2" not in str(raised.value)
    assert "no such token: hunter2" in caplog.text


def test_a_program_that_hangs_is_ended_with_its_children(
    directory: Path, program: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ansible, "ANSWER_SECONDS", 3)
    program("#!/bin/sh\nsleep 300 &\necho $! > child\nwait\n")
    began = time.monotonic()
    with pytest.raises(InventoryFailed, match="did not end within"):
        run()
    assert time.monotonic() - began < 120
    child = int((directory / "child").read_text())
    assert not is_running(child)


def is_running(pid: int) -> bool:
    """Not gone, and no zombie that only waits to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_program_that_prints_without_end_is_ended(
    program: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ansible, "ANSWER_BYTES", 1024 * 1024)
    program("#!/bin/sh\nexec yes\n")
    with pytest.raises(InventoryRefused, match="answers with more than 1 MiB"):
        run()


def test_a_program_that_is_not_executable_says_so(directory: Path) -> None:
    (directory / "list-hosts").write_text("#!/bin/sh\n")
    (directory / "list-hosts").chmod(0o644)
    with pytest.raises(InventoryRefused, match="may not be executed"):
        run()


def test_a_program_without_a_first_line_says_what_to_look_at(program: Callable[[str], None]) -> None:
    program("print('{}')\n")
    with pytest.raises(InventoryRefused, match="cannot be run"):
        run()


@pytest.mark.parametrize("name", ["../hosts.json", "/etc/passwd", "a/b", ".hidden", "..", "x;y", "--help", ""])
@pytest.mark.parametrize("key", ["file", "program"])
def test_only_a_plain_name_in_the_operators_directory_is_taken(directory: Path, key: str, name: str) -> None:
    with pytest.raises(BadInventory):
        open_inventory("ansible", {key: name})


def test_a_server_without_such_a_directory_takes_none(settings: Any) -> None:
    settings.SLIPWAY_INVENTORY_DIRECTORY = None
    with pytest.raises(InventoryRefused, match="SLIPWAY_INVENTORY_DIRECTORY"):
        open_inventory("ansible", {"file": "hosts.json"}).hosts()


def test_a_file_that_is_not_there_is_said(directory: Path) -> None:
    with pytest.raises(InventoryRefused, match=r"There is no hosts\.json"):
        open_inventory("ansible", {"file": "hosts.json"}).hosts()
