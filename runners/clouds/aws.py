"""The door to boto3: running EC2 instances, found by their tags."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

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

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import FilterTypeDef, InstanceTypeDef

# Two tries of five seconds to connect and ten to read: under a minute even when nothing answers.
_PATIENCE = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 3, "mode": "standard"})
_PAGE = 100
_THROTTLED = ("RequestLimitExceeded", "Throttling", "InternalError", "Unavailable", "ServiceUnavailable")
_KEYS = ("region", "tags", "address", "name_tag", "endpoint_url", "page_size")


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key; never shown."""

    access_key_id: str
    secret_access_key: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read `access_key_id:secret_access_key`; None for nothing, which means the machine's own rights."""
        if not text.strip():
            return None
        key, colon, secret = text.strip().partition(":")
        if not (key and colon and secret):
            raise BadInventory("The cloud credentials have to be written as access_key_id:secret_access_key.")
        return cls(key, secret)


@dataclass(frozen=True, slots=True)
class Ec2Tags:
    """`{"region": "eu-west-1", "tags": {"env": "prod", "role": ["web", "work*"]}, "address": "private"}`

    Every tag has to match, any of its values will do, `*` and `?` are wildcards. `address` is `private` (the
    default) or `public`; `name_tag` is the tag that names a host.
    """

    region: str
    tags: Mapping[str, tuple[str, ...]]
    address: str = "private"
    name_tag: str = "Name"
    endpoint_url: str | None = None
    page_size: int = _PAGE
    credentials: Credentials | None = None

    @classmethod
    def parse(cls, settings: Mapping[str, Any], secret: str = "") -> Self:
        refuse_unknown(settings, _KEYS)
        return cls(
            region=_required(settings, "region", "like eu-west-1"),
            tags=_parse_tags(settings.get("tags")),
            address=_parse_choice(settings),
            name_tag=text_of(settings, "name_tag", "Name") or "Name",
            endpoint_url=text_of(settings, "endpoint_url") or None,
            page_size=_parse_page_size(settings.get("page_size", _PAGE)),
            credentials=Credentials.parse(secret),
        )

    def hosts(self) -> tuple[FoundHost, ...]:
        where = f"EC2 in {self.region} with tags {self._described()}"
        try:
            found = [self._found(instance) for instance in self._instances()]
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise InventoryRefused(f"{where}: no credentials: {error}. Store some with the environment.") from error
        except ClientError as error:
            raise _translated(error, where) from error
        except (BotoCoreError, ValueError) as error:
            raise InventoryFailed(f"{where} could not be asked: {error}") from error
        return settle(found, where)

    def _described(self) -> str:
        return ", ".join(f"{name}={'|'.join(values)}" for name, values in self.tags.items())

    def _instances(self) -> Iterator["InstanceTypeDef"]:
        """All pages; an instance that is starting, stopping or stopped is no host."""
        pages = self._client().get_paginator("describe_instances")
        for page in pages.paginate(Filters=self._filters(), PaginationConfig={"PageSize": self.page_size}):
            for reservation in page["Reservations"]:
                yield from reservation.get("Instances", [])

    def _client(self) -> "EC2Client":
        given = self.credentials
        # A session of its own: boto3's default one is not safe to use from several threads.
        session = boto3.session.Session(
            aws_access_key_id=given.access_key_id if given else None,
            aws_secret_access_key=given.secret_access_key if given else None,
        )
        return session.client("ec2", region_name=self.region, endpoint_url=self.endpoint_url, config=_PATIENCE)

    def _filters(self) -> "Sequence[FilterTypeDef]":
        tags: list[FilterTypeDef] = [
            {"Name": f"tag:{name}", "Values": list(values)} for name, values in self.tags.items()
        ]
        return [*tags, {"Name": "instance-state-name", "Values": ["running"]}]

    def _found(self, instance: "InstanceTypeDef") -> FoundHost:
        number = instance["InstanceId"]
        address = instance.get("PublicIpAddress" if self.address == "public" else "PrivateIpAddress")
        if not address:
            raise BadInventory(
                f"EC2 instance {number} runs but has no {self.address} address;"
                " give it one, or change `address` in the inventory."
            )
        names = {tag.get("Key"): tag.get("Value", "") for tag in instance.get("Tags", [])}
        return FoundHost(names.get(self.name_tag) or number, checked_address(str(address), number), number)


def _required(settings: Mapping[str, Any], key: str, example: str) -> str:
    value = text_of(settings, key)
    if not value:
        raise BadInventory(f"inventory: {key} is missing; write one {example}.")
    return value


def _parse_tags(tags: object) -> dict[str, tuple[str, ...]]:
    """No tags at all would mean every machine of the account, so that is refused."""
    if not isinstance(tags, dict) or not tags:
        raise BadInventory('inventory: tags is missing; write at least one like {"env": "prod"}.')
    return {str(name): _parse_values(str(name), values) for name, values in tags.items()}


def _parse_values(name: str, values: object) -> tuple[str, ...]:
    listed = values if isinstance(values, list) else [values]
    if not listed or not all(isinstance(value, str) and value for value in listed):
        raise BadInventory(f"inventory: tag {name} needs a text, or a list of texts, not {values!r}.")
    return tuple(listed)


def _parse_choice(settings: Mapping[str, Any]) -> str:
    choice = text_of(settings, "address", "private")
    if choice not in ("private", "public"):
        raise BadInventory(f"inventory: address has to be private or public, not {choice!r}.")
    return choice


def _parse_page_size(value: object) -> int:
    if isinstance(value, int) and 5 <= value <= 1000:
        return value
    raise BadInventory(f"inventory: page_size has to be a number from 5 to 1000, not {value!r}.")


def _translated(error: ClientError, where: str) -> InventoryRefused | InventoryFailed:
    code = error.response.get("Error", {}).get("Code", "")
    if code.startswith(_THROTTLED):
        return InventoryFailed(f"{where}: the cloud is too busy to answer: {error}")
    return InventoryRefused(f"{where}: the cloud refused: {error}. Check the credentials and their rights.")
