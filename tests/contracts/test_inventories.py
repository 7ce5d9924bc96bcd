"""What every InventorySource promises, tried on each kind: the clouds' own clients against APIs that answer."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from runners.clouds.inventory import BadInventory, NoHosts
from tests.lab import listings
from tests.lab.listings import HOSTS, Listing

KINDS: dict[str, Callable[[Path], AbstractContextManager[Listing]]] = {
    "static": lambda directory: listings.static_listing(),
    "aws": lambda directory: listings.aws_listing(),
    "gcp": lambda directory: listings.gcp_listing(),
    "azure": listings.azure_listing,
    "ansible": listings.ansible_listing,
}


@pytest.fixture(scope="module", params=sorted(KINDS))
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Listing, Path]]:
    directory = tmp_path_factory.mktemp(request.param)
    with KINDS[request.param](directory) as listing:
        yield listing, directory


@pytest.fixture
def listing(kept: tuple[Listing, Path], settings: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Listing:
    listed, directory = kept
    settings.SLIPWAY_INVENTORY_DIRECTORY = directory  # type: ignore[attr-defined]
    if listed.kind == "azure":
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(directory / "lab.pem"))
    return listed


def test_all_running_hosts_of_all_pages_are_listed_in_the_order_of_their_names(listing: Listing) -> None:
    found = listing.open("prod").hosts()
    assert {host.name: host.address for host in found} == HOSTS
    assert [host.name for host in found] == [f"web-{number}" for number in range(1, 13)]


def test_asking_again_gives_the_same_answer(listing: Listing) -> None:
    source = listing.open("prod")
    assert source.hosts() == source.hosts()


def test_zero_hosts_are_refused(listing: Listing) -> None:
    with pytest.raises(NoHosts, match="lists no running host"):
        listing.open("nothing").hosts()


def test_hosts_of_one_name_get_names_of_their_own(listing: Listing) -> None:
    names = [host.name for host in listing.open("twins").hosts()]
    assert len(set(names)) == 2
    assert all(name.startswith("twin-") for name in names)


def test_every_host_carries_its_group(listing: Listing) -> None:
    groups = {host.name: host.group for host in listing.open("pair").hosts()}
    assert groups == {"blue-1": "blue", "blue-2": "blue", "green-3": "green"}


def test_hosts_that_are_in_no_group_have_none(listing: Listing) -> None:
    assert {host.group for host in listing.open("prod").hosts()} == {""}


def test_a_misspelt_setting_is_refused(listing: Listing) -> None:
    with pytest.raises(BadInventory, match="unknown key hsots"):
        listing.open("prod", hsots=[])
