"""AWS: the target groups of an application or network load balancer."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from pipelines.errors import UserError
from runners.balancers.balancer import (
    ATTACH_SECONDS,
    DRAIN_SECONDS,
    BadBalancer,
    BalancerFailed,
    BalancerRefused,
    Say,
    Server,
    State,
    UnknownServer,
    named,
    refuse_unknown,
    required,
    seconds_of,
    text_of,
)
from runners.clouds.aws import PATIENCE, Credentials

if TYPE_CHECKING:
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client
    from mypy_boto3_elbv2.type_defs import TargetDescriptionTypeDef, TargetHealthDescriptionTypeDef

KEYS = (
    "region", "target_group", "target_groups", "listener", "rule", "target", "port", "endpoint_url",
    "drain_seconds", "attach_seconds",
)  # fmt: skip

_THROTTLED = ("Throttling", "RequestLimitExceeded", "InternalError", "InternalFailure", "ServiceUnavailable")
# Registered, but in a group that no listener sends anything to.
_IDLE = "Target.NotInUse"


@dataclass(frozen=True)
class TargetGroups:
    """`{"region": "eu-west-1", "target_group": "arn:…", "target": "{id}", "port": 8000, "drain_seconds": 300}`

    `target` is what a host is registered as: `{id}`, the instance, or `{address}`. For blue/green two groups are
    given, and the listener (or the rule of one) that sends everything to one of them:
    `{"target_groups": {"blue": "arn:…", "green": "arn:…"}, "listener": "arn:…"}`.
    """

    region: str
    groups: Mapping[str, str]
    listener: str = ""
    rule: str = ""
    template: str = "{id}"
    port: int | None = None
    endpoint_url: str | None = None
    credentials: Credentials | None = field(default=None, repr=False)
    drain_seconds: float = DRAIN_SECONDS
    attach_seconds: float = ATTACH_SECONDS
    poll_seconds: float = 1.0

    @classmethod
    def parse(cls, settings: Mapping[str, Any], secret: str = "") -> Self:
        refuse_unknown(settings, KEYS)
        return cls(
            region=required(settings, "region", "eu-west-1"),
            groups=_parse_groups(settings),
            listener=text_of(settings, "listener"),
            rule=text_of(settings, "rule"),
            template=text_of(settings, "target", "{id}") or "{id}",
            port=_parse_port(settings.get("port")),
            endpoint_url=text_of(settings, "endpoint_url") or None,
            credentials=_parse_secret(secret),
            drain_seconds=seconds_of(settings, "drain_seconds", DRAIN_SECONDS),
            attach_seconds=seconds_of(settings, "attach_seconds", ATTACH_SECONDS),
        )

    @property
    def label(self) -> str:
        return f"target group {' and '.join(sorted({_short(arn) for arn in self.groups.values()}))}"

    def name_of(self, server: Server) -> str:
        if self.template == "{id}" and not server.external_id:
            raise UnknownServer(
                f"{server.name} has no instance id: list the hosts from EC2, or register them by `{{address}}`."
            )
        return named(self.template, server)

    def state(self, server: Server) -> State:
        """A target that waits for its requests to end is `draining`; how many they are AWS does not tell. At another
        port than the one that is asked for it may be healthy for a while yet: that is another container."""
        found = [one for one in self._targets_of(server) if server.port in (None, _place(one).get("Port"))]
        states = sorted({_state(one) for one in found})
        draining = "draining" in states
        return State(
            serving="healthy" in states or any(_is_idle(one) for one in found),
            drained=not draining,
            load="draining" if draining else "no target any more" if not found else ", ".join(states),
            status=", ".join(_described(one) for one in found) or "not registered",
        )

    def serving(self) -> frozenset[str]:
        found = [one for arn in set(self.groups.values()) for one in self._targets(arn)]
        return frozenset(_id(one) for one in found if _state(one) == "healthy")

    def drain(self, server: Server, say: Say) -> None:
        """Deregister it at every port that it is registered at."""
        say(f"$ aws elbv2 deregister-targets --target-group-arn {self._called(server)}")
        self._deregister(server, self._targets_of(server))

    def park(self, server: Server, say: Say) -> None:
        """Deregistered is all that there is."""

    def prepare(self, server: Server, say: Say) -> None:
        """Of two groups the idle one takes its targets before the flip; where there is one, registering is traffic."""
        if len(self.groups) > 1:
            self.attach(server, say)

    def attach(self, server: Server, say: Say) -> None:
        arn, name = self._group_of(server), self.name_of(server)
        target: TargetDescriptionTypeDef = {"Id": name}
        if port := server.port or self.port:
            target["Port"] = port
        at = f",Port={port}" if port else ""
        say(f"$ aws elbv2 register-targets --target-group-arn {self._called(server)}{at}")
        with self._asked(f"registering {name}"):
            self._client.register_targets(TargetGroupArn=arn, Targets=[target])

    def narrow(self, server: Server, say: Say) -> bool:
        """A container has a port of its own: the target at the port of the one before it is deregistered."""
        port = server.port or self.port
        others = [one for one in self._targets_of(server) if port not in (None, _place(one).get("Port"))]
        for left in sorted({_place(one).get("Port", 0) for one in others if _state(one) != "draining"}):
            say(f"$ aws elbv2 deregister-targets --target-group-arn {self._called(server)},Port={left}")
        self._deregister(server, others)
        return not others

    def forget(self, server: Server, say: Say) -> None:
        """Deregistered it is forgotten."""

    def flip(self, come: Sequence[Server], go: Sequence[Server], say: Say) -> None:
        """The listener's one action is pointed at the other group; with one group for all, target by target."""
        if len(self.groups) == 1:
            for server in come:
                self.attach(server, say)
            for server in go:
                self.drain(server, say)
            return
        arn = self._group_of(come[0])
        say(f"$ aws elbv2 modify-{'rule' if self.rule else 'listener'}: forward to {_short(arn)}")
        with self._asked("turning the traffic"):
            self._forward_to(arn)

    def _forward_to(self, arn: str) -> None:
        if self.rule:
            self._client.modify_rule(RuleArn=self.rule, Actions=[{"Type": "forward", "TargetGroupArn": arn}])
        else:
            self._client.modify_listener(
                ListenerArn=self.listener, DefaultActions=[{"Type": "forward", "TargetGroupArn": arn}]
            )

    @cached_property
    def _client(self) -> "ElasticLoadBalancingv2Client":
        given = self.credentials
        session = boto3.session.Session(
            aws_access_key_id=given.access_key_id if given else None,
            aws_secret_access_key=given.secret_access_key if given else None,
        )
        return session.client("elbv2", region_name=self.region, endpoint_url=self.endpoint_url, config=PATIENCE)

    def _group_of(self, server: Server) -> str:
        if len(self.groups) == 1:
            return next(iter(self.groups.values()))
        if server.group not in self.groups:
            known = ", ".join(sorted(self.groups))
            raise UnknownServer(f"{server.name} is of group {server.group or '(none)'}; target_groups has {known}.")
        return self.groups[server.group]

    def _called(self, server: Server) -> str:
        return f"{_short(self._group_of(server))} --targets Id={self.name_of(server)}"

    def _deregister(self, server: Server, targets: "Sequence[TargetHealthDescriptionTypeDef]") -> None:
        """Those that are not on their way out already."""
        going = [_place(one) for one in targets if _state(one) != "draining"]
        if going:
            with self._asked(f"deregistering {self.name_of(server)}"):
                self._client.deregister_targets(TargetGroupArn=self._group_of(server), Targets=going)

    def _targets_of(self, server: Server) -> "list[TargetHealthDescriptionTypeDef]":
        """Where it is registered, at whichever ports."""
        name = self.name_of(server)
        return [one for one in self._targets(self._group_of(server)) if _id(one) == name]

    def _targets(self, arn: str) -> "list[TargetHealthDescriptionTypeDef]":
        with self._asked(f"looking at {_short(arn)}"):
            return self._client.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]

    @contextmanager
    def _asked(self, what: str) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            raise _translated(error, f"{self.label}: {what}") from error
        except (BotoCoreError, ValueError) as error:
            raise BalancerFailed(f"{self.label}: {what}: AWS could not be asked: {error}") from error


def _translated(error: ClientError, what: str) -> Exception:
    code = error.response.get("Error", {}).get("Code", "")
    if code.startswith(_THROTTLED):
        return BalancerFailed(f"{what}: AWS is too busy to answer: {error}")
    if "TargetGroupNotFound" in code or "InvalidTarget" in code:
        return UnknownServer(f"{what}: {error}")
    return BalancerRefused(f"{what}: AWS refused: {error}. Check the credentials and their rights.")


def _parse_groups(settings: Mapping[str, Any]) -> dict[str, str]:
    one, several = text_of(settings, "target_group"), settings.get("target_groups")
    if bool(one) == bool(several):
        raise BadBalancer("balancer: write either target_group, or target_groups for blue/green.")
    if one:
        return {"": one}
    if not isinstance(several, dict) or len(several) != 2 or not all(isinstance(arn, str) for arn in several.values()):
        raise BadBalancer('balancer: target_groups has to name two, like {"blue": "arn:…", "green": "arn:…"}.')
    if bool(text_of(settings, "listener")) == bool(text_of(settings, "rule")):
        raise BadBalancer("balancer: two target_groups need the listener or the rule that sends requests to one.")
    return {str(name): str(arn) for name, arn in several.items()}


def _parse_port(value: object) -> int | None:
    if value is None or (isinstance(value, int) and 0 < value < 65536):
        return value
    raise BadBalancer(f"balancer: port has to be a number from 1 to 65535, not {value!r}.")


def _parse_secret(secret: str) -> Credentials | None:
    try:
        return Credentials.parse(secret)
    except UserError as error:
        raise BadBalancer(f"balancer: {error}") from error


def _short(arn: str) -> str:
    """`arn:…:targetgroup/shop/6d0ecf831eec9f09` is `shop` to people."""
    parts = arn.rpartition(":")[2].split("/")
    return parts[1] if len(parts) > 1 else arn


def _id(one: "TargetHealthDescriptionTypeDef") -> str:
    return one.get("Target", {}).get("Id", "")


def _place(one: "TargetHealthDescriptionTypeDef") -> "TargetDescriptionTypeDef":
    target = one.get("Target")
    assert target is not None
    return {"Id": target["Id"], "Port": target["Port"]} if "Port" in target else {"Id": target["Id"]}


def _state(one: "TargetHealthDescriptionTypeDef") -> str:
    return one.get("TargetHealth", {}).get("State", "unknown")


def _is_idle(one: "TargetHealthDescriptionTypeDef") -> bool:
    return one.get("TargetHealth", {}).get("Reason") == _IDLE


def _described(one: "TargetHealthDescriptionTypeDef") -> str:
    health = one.get("TargetHealth", {})
    return f"{_state(one)} {health.get('Description', '')}".strip()
