"""What an environment's inventory settings may say."""

import subprocess
import sys
from typing import Any

import pytest

from pipelines.deploys.models import Host
from runners.clouds import inventory
from runners.clouds.aws import Credentials
from runners.clouds.inventory import BadInventory, FoundHost, InventoryFailed, InventoryRefused
from runners.clouds.settings import in_time
from runners.clouds.sources import open_inventory

GOOD = {"region": "eu-west-1", "tags": {"env": "prod"}}


def test_a_fixed_list_takes_addresses_names_and_ports() -> None:
    entries = ["10.0.0.5", "db.example.org", {"name": "web-1", "address": "::1", "port": 2222}]
    found = open_inventory("static", {"hosts": entries}).hosts()
    assert [(host.name, host.address, host.port) for host in found] == [
        ("10.0.0.5", "10.0.0.5", None),
        ("db.example.org", "db.example.org", None),
        ("web-1", "::1", 2222),
    ]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"name": "x" * 151, "address": "10.0.0.1"}, "name is .* 150 characters"),
        ({"name": "a", "address": "10.0.0.1", "group": "g" * 61}, "group is .* 60 characters"),
        ({"name": "a\0b", "address": "10.0.0.1"}, "name is 'a.x00b'.*printable"),
        ({"name": "a\u202eb", "address": "10.0.0.1"}, "printable"),
    ],
)
def test_what_the_record_has_no_room_for_is_refused(entry: Any, words: str) -> None:
    with pytest.raises(BadInventory, match=words):
        open_inventory("static", {"hosts": [entry]}).hosts()


def test_the_record_has_room_for_what_is_taken() -> None:
    room = {field.name: field.max_length for field in Host._meta.fields if field.name in inventory._MOST}
    assert room == inventory._MOST


def test_hosts_that_still_have_one_name_after_the_address_is_added_are_refused() -> None:
    twins = [FoundHost("web", "10.0.0.1", port=port) for port in (22, 2222)]
    with pytest.raises(BadInventory, match=r"lists two hosts called web-10\.0\.0\.1"):
        inventory.settle(twins, "the list")


@pytest.mark.parametrize(
    "entry",
    [
        7,
        None,
        {},
        {"address": ""},
        "-oProxyCommand=id",
        "a b",
        "a;b",
        {"address": "a", "port": 0},
        {"address": "a", "user": "x"},
        {"address": "a", "port": "22"},
        "a" * 300,
    ],
)
def test_a_fixed_list_refuses_what_is_no_host(entry: object) -> None:
    with pytest.raises(BadInventory):
        open_inventory("static", {"hosts": [entry]})


def test_one_address_listed_twice_is_refused() -> None:
    with pytest.raises(BadInventory, match=r"10\.0\.0\.5 twice"):
        open_inventory("static", {"hosts": ["10.0.0.5", {"name": "x", "address": "10.0.0.5"}]}).hosts()


@pytest.mark.parametrize(
    "changes",
    [
        {"region": ""},
        {"tags": {}},
        {"tags": None},
        {"tags": {"env": ""}},
        {"tags": {"env": []}},
        {"address": "both"},
        {"page_size": 1},
        {"page_size": "many"},
        {"tags": {"env": 7}},
        {"region": 7},
    ],
)
def test_cloud_settings_that_mean_nothing_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BadInventory):
        open_inventory("aws", GOOD | changes)


@pytest.mark.parametrize("secret", ["justone", ":x", "x:"])
def test_cloud_credentials_are_two_parts(secret: str) -> None:
    with pytest.raises(BadInventory):
        open_inventory("aws", GOOD, secret)


def test_cloud_credentials_are_never_shown() -> None:
    assert "secret" not in repr(Credentials.parse("key:secret"))


def test_an_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(BadInventory, match="known are static, aws, ansible, gcp, azure"):
        open_inventory("abacus", {})


@pytest.mark.parametrize(
    ("kind", "module"), [("gcp", "google.api_core.exceptions"), ("azure", "azure.core.exceptions")]
)
def test_a_client_that_is_not_installed_is_said_with_the_extra_that_brings_it(
    kind: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, f"runners.clouds.{kind}", raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InventoryRefused, match=rf"pip install 'slipway\[{kind}\]'"):
        open_inventory(kind, {})


def test_no_cloud_client_is_imported_before_such_an_inventory_is_opened() -> None:
    code = "import sys, runners.clouds.sources; print([m for m in sys.modules if m.startswith(('google.', 'azure.'))])"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


def test_a_fixed_list_names_groups() -> None:
    entries = [{"address": "10.0.0.1", "group": "blue"}, {"address": "10.0.0.2", "group": "green"}, "10.0.0.3"]
    found = open_inventory("static", {"hosts": entries}).hosts()
    assert [host.group for host in found] == ["blue", "green", ""]


def test_an_answer_that_takes_too_long_is_no_answer() -> None:
    pages = in_time([1, 2, 3], "the cloud", seconds=0)
    assert next(pages) == 1
    with pytest.raises(InventoryFailed, match="did not end its answer"):
        next(pages)
