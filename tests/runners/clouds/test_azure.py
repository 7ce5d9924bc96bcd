"""Hosts by their tags, from a served Resource Manager, through Azure's own clients."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runners.clouds.inventory import BadInventory, InventoryFailed, InventoryRefused
from runners.clouds.sources import open_inventory
from tests.lab.machines import Machine
from tests.lab.resource_manager import CLIENT, SUBSCRIPTION, TENANT, ResourceManager, resource_manager
from tests.lab.sshd import free_port

WEB = Machine("web-1", "10.1.0.1", {"env": "prod", "role": "web"}, public="203.0.113.1", part="Shop")
WORKER = Machine("work-1", "10.1.0.2", {"env": "prod", "role": "worker"}, part="other")


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ResourceManager]:
    machines = [WEB, WORKER, Machine("off", "10.1.0.3", {"env": "prod"}, running=False), Machine("bare", "10.1.0.4")]
    with resource_manager(machines, tmp_path) as running:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(running.certificate))
        yield running


def found(api: ResourceManager, secret: str | None = None, **changes: Any) -> list[str]:
    there = {"endpoint_url": api.url, "authority_url": api.url}
    settings = {"subscription": SUBSCRIPTION, "tags": {"env": "prod"}, **there, **changes}
    return [host.address for host in open_inventory("azure", settings, secret or api.secret).hosts()]


def test_machines_that_run_are_listed(api: ResourceManager) -> None:
    assert found(api) == ["10.1.0.1", "10.1.0.2"]


def test_a_public_address_is_taken_where_it_is_wanted(api: ResourceManager) -> None:
    assert found(api, tags={"role": "web"}, address="public") == ["203.0.113.1"]


def test_a_machine_without_the_wanted_address_is_an_error_not_a_gap(api: ResourceManager) -> None:
    with pytest.raises(BadInventory, match="work-1 runs but has no public address"):
        found(api, address="public")


def test_a_resource_group_narrows_in_any_capitals(api: ResourceManager) -> None:
    assert found(api, resource_group="shop") == ["10.1.0.1"]


@pytest.mark.parametrize(
    ("tags", "addresses"),
    [
        ({"env": "prod", "role": "worker"}, ["10.1.0.2"]),
        ({"role": ["web", "worker"]}, ["10.1.0.1", "10.1.0.2"]),
        ({"role": "w?b"}, ["10.1.0.1"]),
    ],
)
def test_tags_filter_with_lists_and_wildcards(api: ResourceManager, tags: dict[str, Any], addresses: list[str]) -> None:
    assert found(api, tags=tags) == addresses


def test_missing_rights_are_refused(api: ResourceManager) -> None:
    api.status = 403
    with pytest.raises(InventoryRefused, match="Check the credentials and their rights"):
        found(api)


def test_a_wrong_secret_is_refused(api: ResourceManager) -> None:
    with pytest.raises(InventoryRefused, match="credentials are not taken"):
        found(api, f"{TENANT}:{CLIENT}:wrong")


def test_a_cloud_that_is_broken_fails_as_a_fault_of_the_machinery(api: ResourceManager) -> None:
    api.status = 500
    with pytest.raises(InventoryFailed, match="could not be asked"):
        found(api)


def test_a_cloud_that_does_not_answer_fails_as_a_fault_of_the_machinery(api: ResourceManager) -> None:
    with pytest.raises(InventoryFailed, match="could not be asked"):
        found(api, endpoint_url=f"https://127.0.0.1:{free_port('127.0.0.1')}")


def test_credentials_of_another_form_are_refused_without_being_shown() -> None:
    with pytest.raises(BadInventory, match="tenant_id:client_id:client_secret") as refused:
        open_inventory("azure", {"subscription": "1", "tags": {"env": "prod"}}, "hunter2")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("key", ["endpoint_url", "authority_url"])
def test_another_endpoint_is_never_sent_the_machines_own_token(key: str) -> None:
    settings = {"subscription": "1", "tags": {"env": "prod"}, key: "https://example.org"}
    with pytest.raises(BadInventory, match="needs cloud credentials of its own"):
        open_inventory("azure", settings)
