"""The alarms that are watched after a deploy: what each needs to be worth being woken for, and who hears of it."""

import ipaddress
import re
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from pipelines.deploys import announcements
from pipelines.deploys.models import Alarm, AlarmAction, AlarmKind, Deploy

CHAT = "chat"
HOSTS, SERVER = "hosts", "server"  # from where a URL is asked

_METADATA = tuple(
    ipaddress.ip_network(network)
    for network in ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128", "100.100.100.200/32", "168.63.129.16/32")
)
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_SETTINGS: dict[str, tuple[frozenset[str], frozenset[str]]] = {  # kind → what it needs, what it may have besides
    AlarmKind.URL: (frozenset({"url"}), frozenset({"on"})),
    AlarmKind.COMMAND: (frozenset({"command"}), frozenset()),
    AlarmKind.CLOUDWATCH: (frozenset({"alarm", "region"}), frozenset({"endpoint_url"})),
}


def is_metadata(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether a cloud answers there with the credentials of the machine that asks."""
    mapped = getattr(address, "ipv4_mapped", None) or address
    return any(mapped in network for network in _METADATA if network.version == mapped.version)


def problems(alarm: Alarm) -> list[str]:
    """Pure: why this alarm is refused, a sentence each; empty when it may be used."""
    found = []
    if not alarm.cause.strip():
        found.append("Say what is broken when it goes off: whoever is woken reads it first.")
    if not _is_heard(alarm.alert):
        found.append("Say who is told: chat, or mail addresses, separated by commas.")
    if alarm.action not in AlarmAction.values:
        found.append(f"Say what is done: {', '.join(AlarmAction.values)}.")
    if alarm.kind not in AlarmKind.values:
        return [*found, f"Say what is watched: {', '.join(AlarmKind.values)}."]
    return found + _problems_of_settings(alarm.kind, alarm.settings)


def tell(deploy: Deploy, alarm: Alarm, found: str) -> None:
    """Tell whom the alarm names, in the caller's transaction; `found` is what was seen.

    A deploy that is undone tells the environment's people by itself, with the alarm as its reason: then only those hear
    of the alarm whom it names besides.
    """
    place, to = deploy.environment, announcements.addresses(alarm.alert)
    undoes = alarm.action == AlarmAction.UNDO
    own = announcements.addresses(place.mail_to) if undoes else []
    facts = {
        "name": alarm.name,
        "cause": alarm.cause,
        "found": found,
        "action": alarm.action,
        "release": deploy.release.number,
        "deploy": deploy.number,
    }
    in_chat = CHAT in [word.strip() for word in alarm.alert.split(",")]
    announcements.notify(
        place, announcements.ALARM, facts, chat=in_chat and not undoes, to=[one for one in to if one not in own]
    )


def _is_heard(alert: str) -> bool:
    words = [word.strip() for word in alert.split(",") if word.strip()]
    return bool(words) and all(word == CHAT or _is_address(word) for word in words)


def _is_address(word: str) -> bool:
    try:
        validate_email(word)
    except ValidationError:
        return False
    return True


def _problems_of_settings(kind: str, settings: object) -> list[str]:
    needed, allowed = _SETTINGS[kind]
    if not isinstance(settings, dict) or not all(isinstance(value, str) for value in settings.values()):
        return ["Write the settings as {name: text}."]
    found = [f"The settings lack {name}." for name in sorted(needed) if not settings.get(name, "").strip()]
    found += [f"The settings do not know {name}." for name in sorted(settings.keys() - needed - allowed)]
    if settings.get("url") and not _is_url(settings["url"]):
        found.append("The url has to be one of http or https, without a user and password.")
    if settings.get("url") and _is_metadata(settings["url"]):
        found.append("The url leads to where clouds keep their machines' credentials: nothing is asked there.")
    if settings.get("on", SERVER) not in (HOSTS, SERVER):
        found.append(f"`on` is {SERVER} (one question, from here) or {HOSTS} (asked on each host).")
    if settings.get("region") and not _REGION.fullmatch(settings["region"]):
        found.append("The region is written like eu-west-1.")
    return found


def _is_metadata(text: str) -> bool:
    """By what is written; what a name leads to is looked at when it is asked."""
    try:
        host = (urlsplit(text).hostname or "").rstrip(".")
        return host == "metadata.google.internal" or is_metadata(ipaddress.ip_address(host))
    except ValueError:
        return False


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.username and parts.port != 0
    except ValueError:
        return False
