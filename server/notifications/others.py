"""The one door to apprise: everything that is neither Slack, nor mail, nor a webhook of ours. An extra.

apprise opens its connections itself, so they are watched where Python opens them: in the thread and context that sends,
a connection to an internal address is refused, whatever name or redirect led there. What a plugin does outside Python's
own sockets, or in threads of its own, cannot be watched; plugins that do so are refused.
"""

import contextvars
import ipaddress
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from pipelines.outbox.models import Message
from server.notifications import letters, outside
from server.notifications.errors import Refused, Unreachable
from server.notifications.facts import said
from server.notifications.recipients import recipient

_seen: contextvars.ContextVar[list[str] | None] = contextvars.ContextVar("refused addresses", default=None)
_allowed: contextvars.ContextVar[frozenset[str] | None] = contextvars.ContextVar("addresses inside", default=None)
# Modules of the standard kind of plugin; one that uses none of them, or one of the others, is not watched.
_WATCHED = frozenset({"requests", "smtplib"})
_PLUGINS = "apprise.plugins."
_UNWATCHED = frozenset({"subprocess", "dbus", "slixmpp", "smpplib", "ctypes", "socket", "asyncio", "paho"})
_FILES = ("keyfile", "subfile", "pgp_key", "pgp_privkey")  # where plugins hold paths, besides attachments


class Inside(PermissionError):
    """A plugin wanted to connect to an internal address."""


def send(message: Message) -> None:
    """Tell what `message` is about by the recipient's URL. Raises Refused or Unreachable."""
    to = recipient(message)
    words = said(message).words
    with _watched() as seen:
        plugin = _plugin(to.address)
        try:
            taken = plugin.notify(body=letters.text(words), title=letters.subject(words))
        except Exception as error:  # a plugin may raise anything
            raise Unreachable(f"apprise could not send it: {type(error).__name__}") from error
    if seen:
        raise Refused(
            f"{seen[0]} is an internal address, where messages do not go; an operator may allow its host by "
            "SLIPWAY_INTERNAL_HOSTS"
        )
    if not taken:
        raise Unreachable(f"apprise could not send it to {to.shown}")


def _plugin(url: str) -> Any:
    try:
        import apprise
    except ImportError as error:
        raise Refused("apprise is not installed on this server: install slipway[apprise]") from error
    plugin = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    if plugin is None:
        raise Refused("apprise does not know this URL: compare it with apprise's documentation of the service")
    if not _is_watched(type(plugin)):
        raise Refused(f"{plugin.service_name} is not offered: its connections cannot be watched")
    if _names_a_file(plugin):
        raise Refused("the URL names a file, as template or key: whoever types in an address reads none of this server")
    return plugin


def _names_a_file(plugin: Any) -> bool:
    from apprise import AppriseAttachment

    held = vars(plugin)
    is_template = any(isinstance(value, AppriseAttachment) and len(value) > 0 for value in held.values())
    return is_template or any(held.get(name) for name in _FILES)


def _is_watched(plugin: type) -> bool:
    names = {one.__module__ for one in plugin.__mro__ if one.__module__.startswith(_PLUGINS)} - {f"{_PLUGINS}base"}
    modules = [sys.modules[name] for name in names]
    used = {name for module in modules for name in vars(module)}
    return bool(used & _WATCHED) and not used & _UNWATCHED


@contextmanager
def _watched() -> Iterator[list[str]]:
    """Gives the internal addresses that were refused in it."""
    _install()
    seen: list[str] = []
    inside = frozenset(address for host in outside.internal_hosts() for address in _addresses(host))
    token, other = _allowed.set(inside), _seen.set(seen)
    try:
        yield seen
    finally:
        _allowed.reset(token)
        _seen.reset(other)


@cache
def _install() -> None:
    """An audit hook stays for the life of the process: once, and only where apprise is used."""
    sys.addaudithook(_hook)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "socket.connect":
        return
    allowed = _allowed.get()
    if allowed is None:
        return
    to = arguments[1]
    address = str(to[0]).partition("%")[0] if isinstance(to, tuple) and to else "a local socket"
    if address in allowed or not _is_inside(address):
        return
    seen = _seen.get()
    if seen is not None:
        seen.append(address)
    raise Inside(f"{address} is an internal address")


def _is_inside(address: str) -> bool:
    try:
        return outside.is_inside(ipaddress.ip_address(address))
    except ValueError:  # a name, which would be resolved past the check, or no address at all
        return True


def _addresses(host: str) -> list[str]:
    try:
        return outside.checked(host, 443)
    except Unreachable:
        return []
