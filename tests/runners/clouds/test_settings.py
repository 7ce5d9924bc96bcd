"""What an environment's inventory settings may say."""

from typing import Any

import pytest

from runners.clouds.aws import Credentials
from runners.clouds.inventory import BadInventory
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
    with pytest.raises(BadInventory, match="static and aws"):
        open_inventory("gcp", {})
