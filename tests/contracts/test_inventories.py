"""What every InventorySource promises, tried on a fixed list and on a real EC2 API."""

from collections.abc import Iterator
from typing import Any

import pytest

from runners.clouds.inventory import (
    BadInventory,
    InventoryFailed,
    InventoryRefused,
    InventorySource,
    NoHosts,
)
from runners.clouds.sources import open_inventory
from tests.lab.cloud import ACCESS_KEY, REGION, SECRET_KEY, Cloud, cloud
from tests.lab.sshd import free_port

HOSTS = {f"web-{number}": f"127.0.30.{number}" for number in range(1, 13)}


@pytest.fixture(scope="module")
def api() -> Iterator[Cloud]:
    """Twelve running production hosts in three pages of five, one stopped, one in another environment."""
    with cloud("127.0.0.0/16") as running:
        for name, address in HOSTS.items():
            role = "worker" if name.endswith(("11", "12")) else "web"
            running.start(address, {"Name": name, "env": "prod", "role": role})
        running.stop(running.start("127.0.30.99", {"Name": "stopped", "env": "prod", "role": "web"}))
        running.start("127.0.31.1", {"Name": "web-1", "env": "staging"})
        for number in (1, 2):
            running.start(f"127.0.32.{number}", {"Name": "twin", "env": "twins"})
        yield running


def settings(api: Cloud, **changes: Any) -> dict[str, Any]:
    return {
        "region": REGION,
        "tags": {"env": "prod"},
        "endpoint_url": api.url,
        "page_size": 5,
    } | changes


SECRET = f"{ACCESS_KEY}:{SECRET_KEY}"


@pytest.fixture(params=["static", "aws"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def production(kind: str, api: Cloud) -> InventorySource:
    if kind == "static":
        entries = [{"name": name, "address": address} for name, address in HOSTS.items()]
        return open_inventory("static", {"hosts": entries[::-1]})
    return open_inventory("aws", settings(api), SECRET)


def nobody(kind: str, api: Cloud) -> InventorySource:
    if kind == "static":
        return open_inventory("static", {"hosts": []})
    return open_inventory("aws", settings(api, tags={"env": "nothing"}), SECRET)


def twins(kind: str, api: Cloud) -> InventorySource:
    if kind == "static":
        entries = [{"name": "twin", "address": f"127.0.32.{number}"} for number in (1, 2)]
        return open_inventory("static", {"hosts": entries})
    return open_inventory("aws", settings(api, tags={"env": "twins"}), SECRET)


def test_all_running_hosts_are_listed_in_the_order_of_their_names(kind: str, api: Cloud) -> None:
    found = production(kind, api).hosts()
    assert {host.name: host.address for host in found} == HOSTS
    assert [host.name for host in found] == [f"web-{number}" for number in range(1, 13)]


def test_asking_again_gives_the_same_answer(kind: str, api: Cloud) -> None:
    source = production(kind, api)
    assert source.hosts() == source.hosts()


def test_zero_hosts_are_refused(kind: str, api: Cloud) -> None:
    with pytest.raises(NoHosts, match="lists no running host"):
        nobody(kind, api).hosts()


def test_hosts_of_one_name_get_names_of_their_own(kind: str, api: Cloud) -> None:
    names = [host.name for host in twins(kind, api).hosts()]
    assert len(set(names)) == 2
    assert all(name.startswith("twin-") for name in names)


def test_a_misspelt_setting_is_refused(kind: str) -> None:
    with pytest.raises(BadInventory, match="unknown key hsots"):
        open_inventory(kind, {"hsots": []}, SECRET)


@pytest.mark.parametrize("secret", ["", SECRET])
def test_cloud_hosts_carry_the_clouds_own_name(api: Cloud, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    found = open_inventory("aws", settings(api), secret).hosts()
    assert all(host.external_id.startswith("i-") for host in found)
    assert len({host.external_id for host in found}) == 12


@pytest.mark.parametrize(
    ("tags", "count"),
    [
        ({"env": "prod", "role": "worker"}, 2),
        ({"env": ["prod", "staging"]}, 13),
        ({"env": "pro*"}, 12),
        ({"role": "*"}, 12),
    ],
)
def test_tags_filter_with_lists_and_wildcards(api: Cloud, tags: dict[str, Any], count: int) -> None:
    assert len(open_inventory("aws", settings(api, tags=tags), SECRET).hosts()) == count


def test_a_cloud_that_does_not_answer_fails_as_a_fault_of_the_machinery() -> None:
    nowhere = f"http://127.0.0.1:{free_port('127.0.0.1')}"
    settings = {"region": REGION, "tags": {"env": "prod"}, "endpoint_url": nowhere}
    with pytest.raises(InventoryFailed, match="could not be asked"):
        open_inventory("aws", settings, SECRET).hosts()


def test_missing_credentials_are_refused(api: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(InventoryRefused, match="no credentials"):
        open_inventory("aws", settings(api)).hosts()


def test_a_host_without_the_wanted_address_is_an_error_not_a_gap(api: Cloud) -> None:
    source = open_inventory("aws", settings(api, address="public"), SECRET)
    with pytest.raises(BadInventory, match="has no public address"):
        source.hosts()
