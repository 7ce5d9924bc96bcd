"""Pure: what is wrong with a balancer's settings, in words, before anybody asks it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.deploys.models import BalancerKind

EXAMPLES = {
    BalancerKind.HAPROXY: '{"socket": "tcp://10.0.4.2:9999", "backend": "shop", "server": "{host}"}',
    BalancerKind.AWS: '{"region": "eu-west-1", "target_group": "arn:aws:elasticloadbalancing:…"}',
    BalancerKind.COMMAND: '{"drain": "touch /srv/shop/out", "attach": "rm -f /srv/shop/out"}',
}
_TIMES = ("drain_seconds", "attach_seconds")
_KEYS = {
    BalancerKind.HAPROXY: ("socket", "backend", "server", "new_server", *_TIMES),
    BalancerKind.AWS: (
        "region", "target_group", "target_groups", "listener", "rule", "target", "port", "endpoint_url", *_TIMES,
    ),
    BalancerKind.COMMAND: ("drain", "attach", "connections", "serving", "server", *_TIMES),
}  # fmt: skip
_SOCKET = re.compile(r"(tcp://[^\s:/]+:\d{1,5}|tcp://\[[0-9a-fA-F:]+\]:\d{1,5}|(unix://)?/\S+)\Z")
_PLACES = ("{host}", "{address}", "{group}", "{id}")


def problems(kind: str, settings: Any) -> list[str]:
    """Every problem as a sentence; empty when the balancer can be asked."""
    if not kind:
        return ["Without a balancer there is nothing to set: choose its kind, or empty this."] if settings else []
    known = BalancerKind(kind)
    if not isinstance(settings, dict):
        return [f"A balancer's settings are a mapping, like {EXAMPLES[known]}."]
    own = {BalancerKind.HAPROXY: _haproxy, BalancerKind.AWS: _aws, BalancerKind.COMMAND: _commands}[known]
    return [*_unknown(settings, known), *own(settings), *_times(settings)]


def _haproxy(settings: Mapping[str, Any]) -> Iterator[str]:
    places = settings.get("socket")
    listed = places if isinstance(places, list) else [places]
    if not listed or not all(isinstance(place, str) and _SOCKET.match(place) for place in listed):
        yield (
            '"socket" is where HAProxy\'s runtime API answers: tcp://10.0.4.2:9999, unix:///run/haproxy/admin.sock, '
            "or a list of these when there are several HAProxies."
        )
    yield from _text(settings, "backend", "the backend whose servers the hosts are, like “shop”")
    yield from _template(settings, "server")
    new = settings.get("new_server")
    if new is not None and not (isinstance(new, dict) and isinstance(new.get("port"), int)):
        yield '"new_server" says how hosts are added that HAProxy does not know: {"port": 8000, "options": "check"}.'


def _aws(settings: Mapping[str, Any]) -> Iterator[str]:
    yield from _text(settings, "region", "like “eu-west-1”")
    several = settings.get("target_groups")
    if bool(settings.get("target_group")) == bool(several):
        yield 'Give either "target_group", or for blue/green "target_groups", one for each group of hosts.'
    elif several and not (isinstance(several, dict) and len(several) == 2):
        yield '"target_groups" names two, like {"blue": "arn:…", "green": "arn:…"}.'
    elif several and bool(settings.get("listener")) == bool(settings.get("rule")):
        yield 'Two target groups need the "listener", or the "rule" of one, that sends requests to one of them.'
    port = settings.get("port")
    if port is not None and not (isinstance(port, int) and 0 < port < 65536):
        yield '"port" is a number from 1 to 65535.'
    yield from _template(settings, "target")


def _commands(settings: Mapping[str, Any]) -> Iterator[str]:
    yield from _text(settings, "drain", "a command that keeps users from the host, like “touch /srv/shop/out”")
    yield from _text(settings, "attach", "the command that lets them in again, like “rm -f /srv/shop/out”")
    for key in ("connections", "serving"):
        if not isinstance(settings.get(key, ""), str):
            yield f'"{key}" is a command.'


def _text(settings: Mapping[str, Any], key: str, example: str) -> Iterator[str]:
    value = settings.get(key)
    if not isinstance(value, str) or not value.strip():
        yield f'"{key}" is missing: {example}.'


def _template(settings: Mapping[str, Any], key: str) -> Iterator[str]:
    value = settings.get(key, "{host}")
    if not isinstance(value, str) or not any(place in value for place in _PLACES):
        yield f'"{key}" is what a host is called there: one of {", ".join(_PLACES)} has to be in it.'


def _times(settings: Mapping[str, Any]) -> Iterator[str]:
    for key in _TIMES:
        value = settings.get(key, 0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 3600:
            yield f'"{key}" is a number of seconds from 0 to 3600.'


def _unknown(settings: Mapping[str, Any], kind: BalancerKind) -> Iterator[str]:
    for key in sorted(settings.keys() - set(_KEYS[kind])):
        yield f"A balancer of this kind has no “{key}”; known are {', '.join(_KEYS[kind])}."
