"""The door to google-cloud-compute: running instances, found by their labels."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from google.api_core.exceptions import ClientError, GoogleAPIError, TooManyRequests
from google.api_core.retry import Retry
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, RefreshError, TransportError
from google.cloud import compute_v1
from google.oauth2.service_account import Credentials as ServiceAccount
from requests.exceptions import RequestException

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
from runners.clouds.settings import (
    address_of,
    described,
    in_time,
    is_pattern,
    matches,
    own_endpoint,
    page_size_of,
    required,
    tags_of,
)

_SCOPE = "https://www.googleapis.com/auth/compute.readonly"
_PAGE = 500
_CALL_SECONDS = 10.0
_AGAIN = Retry(predicate=lambda error: isinstance(error, RequestException), initial=0.2, timeout=20.0)


@dataclass(frozen=True, slots=True)
class ComputeLabels:
    """`{"project": "shop-prod", "labels": {"env": "prod", "role": ["web", "work*"]}, "address": "private"}`

    In all zones. Every label has to match, any of its values will do, `*` and `?` are wildcards. `group_label` is the
    label that names a host's group. `key` is a service account's key file; empty: the machine's own rights.
    """

    project: str
    labels: Mapping[str, tuple[str, ...]]
    address: str = "private"
    group_label: str = ""
    endpoint_url: str | None = None
    page_size: int = _PAGE
    key: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, settings: Mapping[str, Any], secret: str = "") -> Self:
        refuse_unknown(settings, KEYS["gcp"])
        return cls(
            project=required(settings, "project", "like shop-prod"),
            labels=tags_of(settings, "labels"),
            address=address_of(settings),
            group_label=text_of(settings, "group_label"),
            endpoint_url=own_endpoint(settings, "endpoint_url", secret),
            page_size=page_size_of(settings, _PAGE, 500),
            key=_key(secret),
        )

    def hosts(self) -> tuple[FoundHost, ...]:
        where = f"Google Compute Engine in {self.project} with labels {described(self.labels)}"
        try:
            found = [self._found(instance) for instance in self._instances(where) if self._is_wanted(instance)]
        except (DefaultCredentialsError, RefreshError) as error:
            raise InventoryRefused(
                f"{where}: no credentials that Google takes: {error}. Store a service account's key."
            ) from error
        except (GoogleAPIError, GoogleAuthError, RequestException) as error:
            raise _translated(error, where) from error
        return settle(found, where)

    def _instances(self, where: str) -> Iterator[Any]:
        """All pages of all zones; a zone that could not be asked makes the answer a part, which is none."""
        wish = compute_v1.AggregatedListInstancesRequest(
            project=self.project, filter=self._filter(), max_results=self.page_size
        )
        answer = self._client().aggregated_list(wish, timeout=_CALL_SECONDS, retry=_AGAIN)
        for page in in_time(answer.pages, where):
            if page.unreachables:
                raise InventoryFailed(f"{where}: {', '.join(page.unreachables)} could not be asked.")
            for zone, scoped in page.items.items():
                if scoped.warning.code == "UNREACHABLE":
                    raise InventoryFailed(f"{where}: {zone} could not be asked: {scoped.warning.message}")
                yield from scoped.instances

    def _client(self) -> Any:
        given = ServiceAccount.from_service_account_info(self.key, scopes=[_SCOPE]) if self.key else None
        options = {"api_endpoint": self.endpoint_url} if self.endpoint_url else None
        return compute_v1.InstancesClient(credentials=given, client_options=options)

    def _filter(self) -> str:
        """What the API can sort out by itself; values with wildcards are compared here."""
        exact = {name: values for name, values in self.labels.items() if not any(is_pattern(value) for value in values)}
        wishes = [
            "(" + " OR ".join(f"(labels.{name} = {json.dumps(value)})" for value in values) + ")"
            for name, values in exact.items()
        ]
        return " AND ".join([*wishes, '(status = "RUNNING")'])

    def _is_wanted(self, instance: Any) -> bool:
        return instance.status == "RUNNING" and matches(self.labels, dict(instance.labels))

    def _found(self, instance: Any) -> FoundHost:
        address = _public(instance) if self.address == "public" else _private(instance)
        if not address:
            raise BadInventory(
                f"The instance {instance.name} runs but has no {self.address} address;"
                " give it one, or change `address` in the inventory."
            )
        group = dict(instance.labels).get(self.group_label, "") if self.group_label else ""
        return FoundHost(instance.name, checked_address(address, instance.name), str(instance.id), group=group)


def _private(instance: Any) -> str:
    return next((card.network_i_p for card in instance.network_interfaces if card.network_i_p), "")


def _public(instance: Any) -> str:
    ways = (way for card in instance.network_interfaces for way in card.access_configs)
    return next((way.nat_i_p for way in ways if way.nat_i_p), "")


def _key(secret: str) -> dict[str, Any]:
    """Only a service account's key: Google's other forms of credentials name programs and addresses to ask."""
    if not secret.strip():
        return {}
    try:
        key = json.loads(secret)
        if not isinstance(key, dict) or key.get("type") != "service_account":
            raise ValueError("it is no service account's key")
        ServiceAccount.from_service_account_info(key)
    except (ValueError, GoogleAuthError) as error:
        raise BadInventory(
            f"The cloud credentials have to be the JSON text of a service account's key file: {type(error).__name__}."
        ) from None  # the error may quote the key
    return key


def _translated(error: Exception, where: str) -> InventoryRefused | InventoryFailed:
    if isinstance(error, ClientError) and not isinstance(error, TooManyRequests):
        return InventoryRefused(f"{where}: the cloud refused: {error}. Check the credentials and their rights.")
    if isinstance(error, GoogleAuthError) and not isinstance(error, TransportError):
        return InventoryRefused(f"{where}: the credentials are not taken: {error}.")
    return InventoryFailed(f"{where} could not be asked: {error}")
