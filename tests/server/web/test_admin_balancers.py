"""What the admin pages say of a balancer's settings before anybody asks it."""

from typing import Any

import pytest

from runners.balancers.sources import open_balancer
from server.admin import balancers

HAPROXY = {"socket": "tcp://10.0.4.2:9999", "backend": "shop"}
AWS = {"region": "eu-west-1", "target_group": "arn:aws:x"}
COMMANDS = {"drain": "touch out", "attach": "rm -f out"}


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("haproxy", HAPROXY),
        ("haproxy", {**HAPROXY, "socket": ["/run/haproxy/admin.sock", "tcp://[::1]:9999"], "server": "app-{host}"}),
        ("aws", {**AWS, "target": "{address}", "port": 8000, "drain_seconds": 300}),
        ("aws", {"region": "r", "target_groups": {"blue": "arn:1", "green": "arn:2"}, "listener": "arn:3"}),
        ("command", {**COMMANDS, "connections": "ss | wc -l", "drain_seconds": 0.5}),
    ],
)
def test_right_settings_pass_here_and_where_they_are_used(kind: str, settings: Any) -> None:
    assert balancers.problems(kind, settings) == []
    assert open_balancer(kind, settings) is not None


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        ("haproxy", [], "are a mapping"),
        ("haproxy", {"backend": "shop"}, '"socket" is where'),
        ("haproxy", {**HAPROXY, "socket": "http://10.0.4.2"}, '"socket" is where'),
        ("haproxy", {"socket": "/run/s"}, '"backend" is missing'),
        ("haproxy", {**HAPROXY, "server": "web"}, "one of {host}"),
        ("haproxy", {**HAPROXY, "drain_secs": 3}, "has no “drain_secs”"),
        ("haproxy", {**HAPROXY, "drain_seconds": "3"}, "a number of seconds"),
        ("aws", {"region": "eu-west-1"}, 'either "target_group"'),
        ("aws", {"target_group": "arn"}, '"region" is missing'),
        ("aws", {"region": "r", "target_groups": {"blue": "a", "green": "b"}}, '"listener"'),
        ("aws", {"region": "r", "target_groups": {"blue": "a"}, "listener": "l"}, "names two"),
        ("aws", {**AWS, "port": 0}, '"port" is a number'),
        ("command", {"drain": "touch out"}, '"attach" is missing'),
        ("command", {**COMMANDS, "connections": 3}, '"connections" is a command'),
        ("", {"socket": "x"}, "choose its kind"),
    ],
)
def test_wrong_settings_are_explained(kind: str, settings: Any, said: str) -> None:
    assert any(said in problem for problem in balancers.problems(kind, settings))


def test_no_balancer_needs_no_settings() -> None:
    assert balancers.problems("", {}) == []
