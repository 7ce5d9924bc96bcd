"""Which kind of balancer an environment has."""

from collections.abc import Mapping
from typing import Any

from runners.balancers.aws import TargetGroups
from runners.balancers.balancer import BadBalancer, Balancer
from runners.balancers.command import Commands
from runners.balancers.haproxy import HAProxy


def open_balancer(kind: str, settings: Mapping[str, Any], secret: str = "") -> Balancer | None:
    """The balancer of that kind, None for an environment without one; raises BadBalancer for settings that cannot be
    read. Asks nobody yet."""
    if not kind:
        return None
    if kind == "haproxy":
        return HAProxy.parse(settings)
    if kind == "aws":
        return TargetGroups.parse(settings, secret)
    if kind == "command":
        return Commands.parse(settings)
    raise BadBalancer(f"there is no balancer of kind {kind!r}; known are haproxy, aws and command.")
