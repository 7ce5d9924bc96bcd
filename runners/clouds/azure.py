"""The door to Azure's clients: running virtual machines, found by their tags."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from azure.identity import ClientSecretCredential, DefaultAzureCredential
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.network import NetworkManagementClient

from pipelines.deploys.inventories import KEYS
from runners.clouds.inventory import (
    BadInventory,
    FoundHost,
    InventoryFailed,
    InventoryRefused,
    checked_address,
    refuse_unknown,
    settle,
    text_of,
)
from runners.clouds.settings import address_of, described, in_time, matches, own_endpoint, required, tags_of

_PATIENCE = {"connection_timeout": 5, "read_timeout": 10, "retry_total": 2, "retry_backoff_factor": 0.2}


@dataclass(frozen=True, slots=True)
class ServicePrincipal:
    """An application that may read the subscription; never shown."""

    tenant: str
    client: str
    secret: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read `tenant_id:client_id:client_secret`; None for nothing, which means the machine's own rights."""
        if not text.strip():
            return None
        parts = text.strip().split(":", 2)
        if len(parts) != 3 or not all(parts):
            raise BadInventory("The cloud credentials have to be written as tenant_id:client_id:client_secret.")
        return cls(*parts)


@dataclass(frozen=True, slots=True)
class VirtualMachineTags:
    """`{"subscription": "1b3f…", "tags": {"env": "prod", "role": ["web", "work*"]}, "address": "private"}`

    Every tag has to match, any of its values will do, `*` and `?` are wildcards. `resource_group` narrows it,
    `group_tag` is the tag that names a host's group. `endpoint_url` and `authority_url` are for clouds of their own.
    """

    subscription: str
    tags: Mapping[str, tuple[str, ...]]
    resource_group: str = ""
    address: str = "private"
    group_tag: str = ""
    endpoint_url: str | None = None
    authority_url: str | None = None
    principal: ServicePrincipal | None = None

    @classmethod
    def parse(cls, settings: Mapping[str, Any], secret: str = "") -> Self:
        refuse_unknown(settings, KEYS["azure"])
        return cls(
            subscription=required(settings, "subscription", "by its id"),
            tags=tags_of(settings),
            resource_group=text_of(settings, "resource_group"),
            address=address_of(settings),
            group_tag=text_of(settings, "group_tag"),
            endpoint_url=own_endpoint(settings, "endpoint_url", secret),
            authority_url=own_endpoint(settings, "authority_url", secret),
            principal=ServicePrincipal.parse(secret),
        )

    def hosts(self) -> tuple[FoundHost, ...]:
        where = f"Azure's subscription {self.subscription} with tags {described(self.tags)}"
        try:
            found = list(self._running(where))
        except ClientAuthenticationError as error:
            raise InventoryRefused(
                f"{where}: the credentials are not taken: {_short(error)}. Store some that are valid."
            ) from error
        except HttpResponseError as error:
            raise _translated(error, where) from error
        except (AzureError, ValueError) as error:
            raise InventoryFailed(f"{where} could not be asked: {_short(error)}") from error
        return settle(found, where)

    def _running(self, where: str) -> Iterator[FoundHost]:
        """Azure says in separate lists what a machine is, whether it runs, and which addresses it has."""
        credential = self._credential()
        machines = self._client(ComputeManagementClient, credential).virtual_machines
        wanted = [machine for machine in in_time(machines.list_all(), where) if self._is_wanted(machine)]
        running = {_key(one.id) for one in in_time(machines.list_all(status_only="true"), where) if _runs(one)}
        up = [machine for machine in wanted if _key(machine.id) in running]
        addresses = self._addresses(self._client(NetworkManagementClient, credential), where) if up else {}
        return (self._found(machine, addresses) for machine in up)

    def _credential(self) -> Any:
        given, elsewhere = self.principal, {"authority": self.authority_url} if self.authority_url else {}
        if given is None:
            return DefaultAzureCredential(exclude_interactive_browser_credential=True, **elsewhere)
        known = {"disable_instance_discovery": True} if elsewhere else {}
        return ClientSecretCredential(given.tenant, given.client, given.secret, **known, **elsewhere, **_PATIENCE)

    def _client(self, kind: Any, credential: Any) -> Any:
        scopes = {"credential_scopes": [f"{self.endpoint_url}/.default"]} if self.endpoint_url else {}
        return kind(credential, self.subscription, base_url=self.endpoint_url, **scopes, **_PATIENCE)

    def _is_wanted(self, machine: Any) -> bool:
        if self.resource_group and _resource_group(machine.id) != self.resource_group.lower():
            return False
        return matches(self.tags, machine.tags or {})

    def _addresses(self, network: Any, where: str) -> dict[str, str]:
        """A network card's id → its address of the wanted kind."""
        cards = list(in_time(network.network_interfaces.list_all(), where))
        if self.address == "private":
            return _by_card(cards, lambda way: way.private_ip_address)
        public = {_key(one.id): one.ip_address for one in in_time(network.public_ip_addresses.list_all(), where)}
        return _by_card(cards, lambda way: public.get(_key(way.public_ip_address.id)) if way.public_ip_address else "")

    def _found(self, machine: Any, addresses: Mapping[str, str]) -> FoundHost:
        cards = machine.network_profile.network_interfaces if machine.network_profile else None
        known = (addresses.get(_key(card.id), "") for card in sorted(cards or [], key=lambda card: not card.primary))
        address = next((address for address in known if address), "")
        if not address:
            raise BadInventory(
                f"The virtual machine {machine.name} runs but has no {self.address} address;"
                " give it one, or change `address` in the inventory."
            )
        group = (machine.tags or {}).get(self.group_tag, "") if self.group_tag else ""
        return FoundHost(machine.name, checked_address(address, machine.name), machine.vm_id or "", group=group)


def _by_card(cards: Iterable[Any], address_of_way: Any) -> dict[str, str]:
    ways = (
        (card, way) for card in cards for way in sorted(card.ip_configurations or [], key=lambda way: not way.primary)
    )
    found: dict[str, str] = {}
    for card, way in ways:
        if address := address_of_way(way):
            found.setdefault(_key(card.id), address)
    return found


def _runs(machine: Any) -> bool:
    statuses = machine.instance_view.statuses if machine.instance_view else None
    return any(status.code == "PowerState/running" for status in statuses or [])


def _key(resource_id: str | None) -> str:
    """Azure writes the same id now in capitals, now not."""
    return (resource_id or "").lower()


def _resource_group(resource_id: str | None) -> str:
    """From /subscriptions/…/resourceGroups/<name>/providers/…"""
    return _key(resource_id).partition("/resourcegroups/")[2].partition("/")[0]


def _short(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__


def _translated(error: HttpResponseError, where: str) -> InventoryRefused | InventoryFailed:
    code = error.status_code
    if code is not None and 400 <= code < 500 and code not in (408, 429):
        return InventoryRefused(f"{where}: the cloud refused: {_short(error)}. Check the credentials and their rights.")
    return InventoryFailed(f"{where} could not be asked: {_short(error)}")
