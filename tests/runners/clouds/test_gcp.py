"""Hosts by their labels, from a served Compute Engine API, through Google's own client."""

from collections.abc import Iterator
from typing import Any

import pytest

from runners.clouds import gcp
from runners.clouds.inventory import BadInventory, InventoryFailed, InventoryRefused
from runners.clouds.sources import open_inventory
from tests.lab.compute_engine import ComputeEngine, compute_engine
from tests.lab.machines import Machine
from tests.lab.sshd import free_port

WEB = Machine("web-1", "10.1.0.1", {"env": "prod", "role": "web"}, public="203.0.113.1")
WORKER = Machine("work-1", "10.1.0.2", {"env": "prod", "role": "worker"}, part="b")


@pytest.fixture
def api() -> Iterator[ComputeEngine]:
    with compute_engine([WEB, WORKER, Machine("off", "10.1.0.3", {"env": "prod"}, running=False)]) as running:
        yield running


def found(api: ComputeEngine, **changes: Any) -> list[str]:
    settings = {"project": api.project, "labels": {"env": "prod"}, "endpoint_url": api.url, **changes}
    return [host.address for host in open_inventory("gcp", settings, api.key()).hosts()]


def test_machines_of_all_zones_that_run_are_listed(api: ComputeEngine) -> None:
    assert found(api) == ["10.1.0.1", "10.1.0.2"]


def test_a_public_address_is_taken_where_it_is_wanted(api: ComputeEngine) -> None:
    assert found(api, labels={"role": "web"}, address="public") == ["203.0.113.1"]


def test_a_machine_without_the_wanted_address_is_an_error_not_a_gap(api: ComputeEngine) -> None:
    with pytest.raises(BadInventory, match="work-1 runs but has no public address"):
        found(api, address="public")


@pytest.mark.parametrize(
    ("labels", "addresses"),
    [
        ({"env": "prod", "role": "worker"}, ["10.1.0.2"]),
        ({"role": ["web", "worker"]}, ["10.1.0.1", "10.1.0.2"]),
        ({"role": "w?b"}, ["10.1.0.1"]),
        ({"role": "w*"}, ["10.1.0.1", "10.1.0.2"]),
    ],
)
def test_labels_filter_with_lists_and_wildcards(
    api: ComputeEngine, labels: dict[str, Any], addresses: list[str]
) -> None:
    assert found(api, labels=labels) == addresses


def test_a_zone_that_cannot_be_asked_is_an_error_not_a_gap(api: ComputeEngine) -> None:
    api.unreachable = "europe-west1-c"
    with pytest.raises(InventoryFailed, match="europe-west1-c could not be asked"):
        found(api)


def test_missing_rights_are_refused(api: ComputeEngine) -> None:
    api.status = 403
    with pytest.raises(InventoryRefused, match="Check the credentials and their rights"):
        found(api)


def test_a_cloud_that_is_broken_fails_as_a_fault_of_the_machinery(api: ComputeEngine) -> None:
    api.status = 500
    with pytest.raises(InventoryFailed, match="could not be asked"):
        found(api)


def test_the_key_of_another_account_is_refused(api: ComputeEngine) -> None:
    stranger = ComputeEngine(project=api.project, url=api.url)
    settings = {"project": api.project, "labels": {"env": "prod"}, "endpoint_url": api.url}
    with pytest.raises(InventoryRefused, match="401"):
        open_inventory("gcp", settings, stranger.key()).hosts()


@pytest.mark.parametrize("secret", ["AKIA:secret", "{}", '{"type": "external_account"}', '{"type": "service_account"}'])
def test_only_a_service_accounts_key_is_taken(secret: str) -> None:
    with pytest.raises(BadInventory, match="service account's key file"):
        open_inventory("gcp", {"project": "shop", "labels": {"env": "prod"}}, secret)


def test_another_endpoint_is_never_sent_the_machines_own_token() -> None:
    settings = {"project": "shop", "labels": {"env": "prod"}, "endpoint_url": "https://example.org"}
    with pytest.raises(BadInventory, match="needs cloud credentials of its own"):
        open_inventory("gcp", settings)


def test_a_cloud_that_does_not_answer_fails_as_a_fault_of_the_machinery(
    api: ComputeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gcp, "_AGAIN", gcp._AGAIN.with_timeout(1))
    with pytest.raises(InventoryFailed, match="could not be asked"):
        found(api, endpoint_url=f"http://127.0.0.1:{free_port('127.0.0.1')}")
