"""Machines of EC2 that take the place of others: started like them, and ended."""

import base64
import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from pipelines.errors import UserError
from runners.clouds.aws import Ec2Tags, translated
from runners.clouds.inventory import BadInventory, FoundHost, InventoryFailed

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import InstanceTypeDef

START_SECONDS = 300
LOOK_SECONDS = 1.0

_MARK = "slipway:deploy"
_REPLACES = "slipway:replaces"
_ALIVE = ["pending", "running"]
_SUFFIX = re.compile(r"-d\d+\Z")


class NotOurs(UserError):
    """A machine that this deploy has not started, or that users need now, is not its to end."""


@dataclass(frozen=True)
class Ec2Power:
    """Starts and ends machines of an inventory; `mark` tells those of one deploy of one server from all others."""

    source: Ec2Tags
    mark: str
    number: int

    def started(self) -> tuple[FoundHost, ...]:
        """What was started under the mark and has not been ended."""
        with self._asked("looking for the machines that were started"):
            return tuple(self.source.found(one) for one in self._instances(self._marked()))

    def start(self, like: Sequence[str], goes_on: Callable[[], None]) -> tuple[FoundHost, ...]:
        """One machine like each of these instances, by their ids; returns once all run. Whoever calls again gets the
        same ones. `goes_on` is called while that takes time, and raises to stop. Raises InventoryFailed after five
        minutes, InventoryRefused when the cloud does not give them, BadInventory before any is started for names that
        would be taken twice, ValueError for nothing to be like."""
        if not like:  # to EC2 an empty list of ids means every machine of the region
            raise ValueError("no machine is named that new ones are to be like")
        with self._asked("starting machines"):
            there = {_tags(one).get(_REPLACES) for one in self._instances(self._marked())}
            models = list(self._instances({"InstanceIds": list(like)}))
            self._refuse_doubles(models)
            for model in models:
                if model["InstanceId"] not in there:
                    self._client.run_instances(**self._order(model))
            self._await_running(len(like), goes_on)
        return self.started()

    def replaced(self) -> frozenset[str]:
        """The ids of the instances in whose place those stand that were started under the mark and have not been
        ended."""
        with self._asked("looking for the machines that are replaced"):
            return frozenset(_tags(one).get(_REPLACES, "") for one in self._instances(self._marked()))

    def end(self, ids: Sequence[str]) -> None:
        """For good: machines that were started under the mark, while those that they were to replace run; or machines
        that those replace. Raises NotOurs, and ends none, when any other is among them that runs, or when nobody would
        be left. Those that are gone already are no error."""
        if not ids:
            return
        with self._asked(f"ending {', '.join(ids)}"):
            going = self._alive(ids)
            self._refuse_others(going)
            if going:
                self._client.terminate_instances(InstanceIds=sorted(going))

    def _refuse_others(self, going: Set[str]) -> None:
        replaces = {one["InstanceId"]: _tags(one).get(_REPLACES, "") for one in self._instances(self._marked())}
        old = self._alive([number for number in replaces.values() if number])
        needed = {new for new, replaced in replaces.items() if replaced not in old}
        if wrong := sorted(going - replaces.keys() - old):
            raise NotOurs(f"{', '.join(wrong)} was neither started by this deploy nor replaced by it: it is left alone")
        if wrong := sorted(going & needed):
            raise NotOurs(f"what {', '.join(wrong)} was to replace runs no more, so it may serve: it is left alone")
        if replaces and going >= replaces.keys() and going & old:
            raise NotOurs("neither the new machines nor those that they replace would be left: all are left alone")

    def _alive(self, ids: Sequence[str]) -> frozenset[str]:
        if not ids:  # to EC2 a filter without values is an error
            return frozenset()
        asked = {"Filters": [_filter("instance-id", ids), _filter("instance-state-name", _ALIVE)]}
        return frozenset(one["InstanceId"] for one in self._instances(asked))

    def _refuse_doubles(self, models: "Sequence[InstanceTypeDef]") -> None:
        """Hosts are known by their names: one must never be taken for another."""
        names = [_tags(one).get(self.source.name_tag, "") for one in models] + list(map(self._name_like, models))
        if doubles := sorted({name for name in names if name and names.count(name) > 1}):
            raise BadInventory(
                f"two machines would be called {doubles[0]}: give those that serve names of their own"
                f" (tag {self.source.name_tag}), of which the part before -d and a number differs"
            )

    def _await_running(self, count: int, goes_on: Callable[[], None]) -> None:
        ends = time.monotonic() + START_SECONDS
        while sum(one["State"].get("Name") == "running" for one in self._instances(self._marked())) < count:
            if time.monotonic() > ends:
                raise InventoryFailed(f"the cloud has not started {count} machines within {START_SECONDS} s")
            goes_on()
            time.sleep(LOOK_SECONDS)

    def _order(self, model: "InstanceTypeDef") -> dict[str, Any]:
        """From the launch template, if there is one, else made like the model; the token makes it one machine."""
        template = self.source.launch_template
        made = {"LaunchTemplate": {"LaunchTemplateId": template}} if template else self._likeness(model)
        old = _tags(model)
        tags = {**old, _MARK: self.mark, _REPLACES: model["InstanceId"]}
        name = self.source.name_tag
        tags[name] = self._name_like(model)
        listed = [{"Key": key, "Value": value} for key, value in tags.items() if not key.startswith("aws:")]
        return {
            **made,
            "MinCount": 1,
            "MaxCount": 1,
            "ClientToken": hashlib.sha256(f"{self.mark} {model['InstanceId']}".encode()).hexdigest(),
            "TagSpecifications": [{"ResourceType": "instance", "Tags": listed}],
        }

    def _name_like(self, model: "InstanceTypeDef") -> str:
        old = _tags(model).get(self.source.name_tag) or model["InstanceId"]
        return f"{_SUFFIX.sub('', old)}-d{self.number}"

    def _likeness(self, model: "InstanceTypeDef") -> dict[str, Any]:
        """Image, size, network, rights, and what it is told when it starts."""
        made: dict[str, Any] = {"ImageId": model["ImageId"], "InstanceType": model["InstanceType"]}
        if subnet := model.get("SubnetId"):
            made["SubnetId"] = subnet
        if groups := [group["GroupId"] for group in model.get("SecurityGroups", []) if "GroupId" in group]:
            made["SecurityGroupIds"] = groups
        if key := model.get("KeyName"):
            made["KeyName"] = key
        if profile := model.get("IamInstanceProfile", {}).get("Arn"):
            made["IamInstanceProfile"] = {"Arn": profile}
        asked = self._client.describe_instance_attribute(InstanceId=model["InstanceId"], Attribute="userData")
        if told := asked.get("UserData", {}).get("Value"):
            made["UserData"] = _decoded(told)
        return made

    def _marked(self) -> dict[str, Any]:
        return {"Filters": [_filter(f"tag:{_MARK}", [self.mark]), _filter("instance-state-name", _ALIVE)]}

    def _instances(self, asked: Mapping[str, Any]) -> "Iterator[InstanceTypeDef]":
        for page in self._client.get_paginator("describe_instances").paginate(**asked):
            for reservation in page["Reservations"]:
                yield from reservation.get("Instances", [])

    @cached_property
    def _client(self) -> "EC2Client":
        return self.source.client()

    @contextmanager
    def _asked(self, what: str) -> Iterator[None]:
        where = f"EC2 in {self.source.region}: {what}"
        try:
            yield
        except ClientError as error:
            raise translated(error, where) from error
        except BotoCoreError as error:
            raise InventoryFailed(f"{where}: the cloud could not be asked: {error}") from error


def open_power(kind: str, settings: Mapping[str, Any], secret: str, mark: str, number: int) -> Ec2Power:
    """Raises BadInventory for an inventory whose machines nobody can start here."""
    if kind != "aws":
        raise BadInventory("to replace machines takes an inventory that can start them, and only EC2 by tags can")
    return Ec2Power(Ec2Tags.parse(settings, secret), mark, number)


def _filter(name: str, values: Sequence[str]) -> dict[str, Any]:
    return {"Name": name, "Values": list(values)}


def _tags(instance: "InstanceTypeDef") -> dict[str, str]:
    return {tag.get("Key", ""): tag.get("Value", "") for tag in instance.get("Tags", [])}


def _decoded(user_data: str) -> str:
    """The API gives it in base64, and takes it as it is."""
    return base64.b64decode(user_data).decode()
