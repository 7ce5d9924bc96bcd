"""The door to boto3: running EC2 instances, found by their tags."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

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
from runners.clouds.settings import address_of, described, in_time, page_size_of, required, tags_of

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import FilterTypeDef, InstanceTypeDef

# Two tries of five seconds to connect and ten to read: under a minute even when nothing answers.
PATIENCE = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 3, "mode": "standard"})
_PAGE = 100
_THROTTLED = ("RequestLimitExceeded", "Throttling", "InternalError", "Unavailable", "ServiceUnavailable")


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
    default) or `public`; `name_tag` is the tag that names a host, `group_tag` the one that names its group.
    `launch_template` is what machines are started from that replace others; without it they are made like those.
    """

    region: str
    tags: Mapping[str, tuple[str, ...]]
    address: str = "private"
    name_tag: str = "Name"
    group_tag: str = ""
    launch_template: str = ""
    endpoint_url: str | None = None
    page_size: int = _PAGE
    credentials: Credentials | None = None

    @classmethod
    def parse(cls, settings: Mapping[str, Any], secret: str = "") -> Self:
        refuse_unknown(settings, KEYS["aws"])
        return cls(
            region=required(settings, "region", "like eu-west-1"),
            tags=tags_of(settings),
            address=address_of(settings),
            name_tag=text_of(settings, "name_tag", "Name") or "Name",
            group_tag=text_of(settings, "group_tag"),
            launch_template=text_of(settings, "launch_template"),
            endpoint_url=text_of(settings, "endpoint_url") or None,
            page_size=page_size_of(settings, _PAGE, 1000),
            credentials=Credentials.parse(secret),
        )

    def hosts(self) -> tuple[FoundHost, ...]:
        where = f"EC2 in {self.region} with tags {described(self.tags)}"
        try:
            found = [self.found(instance) for instance in self._instances(where)]
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise InventoryRefused(f"{where}: no credentials: {error}. Store some with the environment.") from error
        except ClientError as error:
            raise translated(error, where) from error
        except (BotoCoreError, ValueError) as error:
            raise InventoryFailed(f"{where} could not be asked: {error}") from error
        return settle(found, where)

    def _instances(self, where: str) -> Iterator["InstanceTypeDef"]:
        """All pages; an instance that is starting, stopping or stopped is no host."""
        pages = self.client().get_paginator("describe_instances")
        asked = pages.paginate(Filters=self._filters(), PaginationConfig={"PageSize": self.page_size})
        for page in in_time(asked, where):
            for reservation in page["Reservations"]:
                yield from reservation.get("Instances", [])

    def client(self) -> "EC2Client":
        """A new one, safe to use from several threads."""
        given = self.credentials
        # A session of its own: boto3's default one is not safe to use from several threads.
        session = boto3.session.Session(
            aws_access_key_id=given.access_key_id if given else None,
            aws_secret_access_key=given.secret_access_key if given else None,
        )
        return session.client("ec2", region_name=self.region, endpoint_url=self.endpoint_url, config=PATIENCE)

    def _filters(self) -> "Sequence[FilterTypeDef]":
        tags: list[FilterTypeDef] = [
            {"Name": f"tag:{name}", "Values": list(values)} for name, values in self.tags.items()
        ]
        return [*tags, {"Name": "instance-state-name", "Values": ["running"]}]

    def found(self, instance: "InstanceTypeDef") -> FoundHost:
        """The host that an instance is; raises BadInventory for one without the wanted address."""
        number = instance["InstanceId"]
        address = instance.get("PublicIpAddress" if self.address == "public" else "PrivateIpAddress")
        if not address:
            raise BadInventory(
                f"EC2 instance {number} runs but has no {self.address} address;"
                " give it one, or change `address` in the inventory."
            )
        names = {tag.get("Key"): tag.get("Value", "") for tag in instance.get("Tags", [])}
        return FoundHost(
            names.get(self.name_tag) or number,
            checked_address(str(address), number),
            number,
            group=names.get(self.group_tag, "") if self.group_tag else "",
        )


def translated(error: ClientError, where: str) -> InventoryRefused | InventoryFailed:
    code = error.response.get("Error", {}).get("Code", "")
    if code.startswith(_THROTTLED):
        return InventoryFailed(f"{where}: the cloud is too busy to answer: {error}")
    return InventoryRefused(f"{where}: the cloud refused: {error}. Check the credentials and their rights.")
