"""Hosts by their tags, from a real EC2 API."""

from collections.abc import Iterator
from typing import Any

import pytest

from runners.clouds.inventory import BadInventory, InventoryFailed, InventoryRefused
from runners.clouds.sources import open_inventory
from tests.lab.cloud import ACCESS_KEY, REGION, SECRET_KEY
from tests.lab.listings import Listing, aws_listing
from tests.lab.sshd import free_port


@pytest.fixture(scope="module")
def listing() -> Iterator[Listing]:
    """Twelve running production hosts in pages of five, one stopped, one in another environment."""
    with aws_listing() as running:
        yield running


@pytest.mark.parametrize("secret", ["", f"{ACCESS_KEY}:{SECRET_KEY}"])
def test_hosts_carry_the_clouds_own_name(listing: Listing, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    found = open_inventory("aws", listing.settings("prod"), secret).hosts()
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
def test_tags_filter_with_lists_and_wildcards(listing: Listing, tags: dict[str, Any], count: int) -> None:
    assert len(listing.open("prod", tags=tags).hosts()) == count


def test_a_cloud_that_does_not_answer_fails_as_a_fault_of_the_machinery() -> None:
    nowhere = f"http://127.0.0.1:{free_port('127.0.0.1')}"
    settings = {"region": REGION, "tags": {"env": "prod"}, "endpoint_url": nowhere}
    with pytest.raises(InventoryFailed, match="could not be asked"):
        open_inventory("aws", settings, f"{ACCESS_KEY}:{SECRET_KEY}").hosts()


def test_missing_credentials_are_refused(listing: Listing, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(InventoryRefused, match="no credentials"):
        open_inventory("aws", listing.settings("prod")).hosts()


def test_a_host_without_the_wanted_address_is_an_error_not_a_gap(listing: Listing) -> None:
    with pytest.raises(BadInventory, match="has no public address"):
        listing.open("prod", address="public").hosts()
