"""What is wrong with the settings of a server that others reach: `manage.py check --deploy` says it in these words."""

import ipaddress
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

GUIDE = "docs/operations.md, “TLS and a proxy in front”, shows the whole."
_LOCAL = ("127.0.0.1", "localhost", "::1")


@register(Tags.security, deploy=True)
def check_front(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """How people reach the server, and what the proxy in front is believed."""
    host = urlsplit(settings.SLIPWAY_URL).hostname or ""
    return [*_address(host), *_proxy(), *_hosts(host), *_origins(), *_hsts()] if host not in _LOCAL else [_local()]


@register(Tags.security, deploy=True)
def check_reach(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Who can reach what should not be reached."""
    return [*_metrics(), *_redis(), *_clones()]


def _local() -> CheckMessage:
    told = f"SLIPWAY_URL is {settings.SLIPWAY_URL}: links in messages lead nowhere on any other machine."
    return Warning(told, hint=f"Set it to the address that people type. {GUIDE}", id="slipway.W001")


def _address(host: str) -> Iterator[CheckMessage]:
    if not settings.SLIPWAY_URL.startswith("https://"):
        told = f"{settings.SLIPWAY_URL} is not TLS: passwords, tokens and sessions can be read on the way."
        yield Error(
            told, hint=f"Put a proxy with TLS in front, and set SLIPWAY_URL=https://{host}. {GUIDE}", id="slipway.E001"
        )
    elif not (settings.SESSION_COOKIE_SECURE and settings.CSRF_COOKIE_SECURE):
        yield Error("Cookies are sent without TLS as well.", hint="They follow SLIPWAY_URL: see it.", id="slipway.E002")


def _proxy() -> Iterator[CheckMessage]:
    is_tls, is_believed = settings.SLIPWAY_URL.startswith("https://"), bool(settings.SECURE_PROXY_SSL_HEADER)
    if is_tls and not is_believed:
        yield Error(
            "The proxy is not believed when it says that a request came by TLS: forms and links are refused or wrong.",
            hint="Set SLIPWAY_BEHIND_TLS_PROXY=true, and let the proxy set X-Forwarded-Proto itself.",
            id="slipway.E003",
        )
    if is_believed and _is_open(settings.SLIPWAY_BIND):
        yield Warning(
            f"X-Forwarded-Proto is believed, and SLIPWAY_BIND is {settings.SLIPWAY_BIND}: whoever reaches the port "
            "past the proxy can claim TLS.",
            hint="Bind to 127.0.0.1, or let a firewall admit only the proxy.",
            id="slipway.W002",
        )


def _hosts(host: str) -> Iterator[CheckMessage]:
    if "*" in settings.ALLOWED_HOSTS:
        yield Error(
            "SLIPWAY_ALLOWED_HOSTS is *: links can be made to lead to other servers.",
            hint=f"Set SLIPWAY_ALLOWED_HOSTS={host}",
            id="slipway.E004",
        )
    elif host not in settings.ALLOWED_HOSTS:
        yield Error(
            f"Requests to {host} are refused: SLIPWAY_ALLOWED_HOSTS has only {', '.join(settings.ALLOWED_HOSTS)}.",
            hint=f"Set SLIPWAY_ALLOWED_HOSTS={host}",
            id="slipway.E005",
        )


def _origins() -> Iterator[CheckMessage]:
    """Where forms and sockets may come from; one that is not TLS lets somebody on the way speak for the page."""
    if settings.SLIPWAY_URL not in settings.CSRF_TRUSTED_ORIGINS:
        told = f"Forms and live pages of {settings.SLIPWAY_URL} are refused: SLIPWAY_TRUSTED_ORIGINS does not have it."
        yield Error(told, hint="Leave SLIPWAY_TRUSTED_ORIGINS unset, or add it.", id="slipway.E006")


def _hsts() -> Iterator[CheckMessage]:
    if settings.SLIPWAY_URL.startswith("https://") and not settings.SECURE_HSTS_SECONDS:
        yield Warning(
            "Browsers are not told to come back by TLS alone.",
            hint="When TLS works, set SLIPWAY_HSTS_SECONDS=3600, and after some days 31536000.",
            id="slipway.W003",
        )


def _metrics() -> Iterator[CheckMessage]:
    wide = [str(network) for network in settings.SLIPWAY_METRICS_ALLOW if network.prefixlen == 0]
    if wide:
        yield Error(f"Everybody may read /metrics: {', '.join(wide)}.", hint="Name the collector's.", id="slipway.E007")
    if settings.SLIPWAY_METRICS_TOKEN and len(settings.SLIPWAY_METRICS_TOKEN) < 16:
        yield Warning("SLIPWAY_METRICS_TOKEN can be guessed.", hint="Give it 16 signs or more.", id="slipway.W004")


def _redis() -> Iterator[CheckMessage]:
    parts = urlsplit(settings.SLIPWAY_REDIS_URL)
    if parts.scheme == "redis" and parts.hostname and not parts.password and not _is_inside(parts.hostname):
        yield Warning(
            f"The Redis at {parts.hostname} has no password: whoever reaches it can make workers perform jobs.",
            hint="Give it a password and TLS (rediss://…), or keep it on a network of its own.",
            id="slipway.W005",
        )


def _clones() -> Iterator[CheckMessage]:
    if settings.SLIPWAY_LOCAL_CLONES and _is_open(settings.SLIPWAY_BIND):
        yield Warning(
            "A project may be any repository on this machine, whoever sets it up.",
            hint="Set SLIPWAY_LOCAL_CLONES=false, unless only people you trust with the machine are owners.",
            id="slipway.W006",
        )


def _is_open(bind: str) -> bool:
    try:
        return not ipaddress.ip_address(bind).is_loopback
    except ValueError:
        return bind != "localhost"


def _is_inside(host: str) -> bool:
    """A name without a dot is of a network of containers; a loopback address is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return "." not in host
