"""The one door to addresses that people type in: nothing of it leads inside.

Every address of a host is checked, and the connection goes to the checked address: a name that answers otherwise the
second time (DNS rebinding) gains nothing. Redirects are not followed, proxies of the environment not asked.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

from server.notifications.errors import Refused, Unreachable

CONNECT_SECONDS = 5
ANSWER_SECONDS = 10  # for all of the answer
MAX_ANSWER = 16 * 1024  # bytes that are read of it

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# Its addresses stand for IPv4 ones, inner ones too; so do those of 6to4 and Teredo.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# Global by Python's word, and yet what a cloud's machine is managed by: Azure's host, Oracle's metadata.
_OF_CLOUDS = (ipaddress.IPv4Network("168.63.129.16/32"), ipaddress.IPv4Network("192.0.0.0/24"))


@dataclass(frozen=True, slots=True)
class Answer:
    """`text` is the beginning of the answer's body."""

    status: int
    text: str
    retry_after_seconds: int = 0


def is_inside(address: IPAddress) -> bool:
    """Anything but an address of the public internet, in whatever dress."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return is_inside(address.ipv4_mapped)
        if address.sixtofour or address.teredo or address in _NAT64 or address.is_site_local:
            return True
    if any(address in network for network in _OF_CLOUDS):
        return True
    return not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified


def checked(host: str, port: int) -> list[str]:
    """The addresses of `host` in the order to try. Raises Refused when one of them is inside, Unreachable without any.

    A host that SLIPWAY_INTERNAL_HOSTS names may be wherever it is.
    """
    found = _resolved(host, port)
    if host.lower() in internal_hosts():
        return found
    bad = [address for address in found if is_inside(ipaddress.ip_address(address.partition("%")[0]))]
    if bad:
        raise Refused(
            f"{host} is {bad[0]}, an internal address, where messages do not go; an operator may allow it by "
            "SLIPWAY_INTERNAL_HOSTS"
        )
    return found


def internal_hosts() -> frozenset[str]:
    return frozenset(host.lower() for host in settings.SLIPWAY_INTERNAL_HOSTS)


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Raises Refused for what may never be asked, Unreachable when nothing answers in time."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Refused("the address is no http or https URL")
    host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with _connected(host, port, parts.scheme == "https") as connection:
        return _asked(connection, path, body, headers)


def _asked(connection: http.client.HTTPConnection, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    try:
        with _cut_off(connection.sock, ANSWER_SECONDS) as is_over:
            connection.request("POST", path, body, dict(headers))
            response = connection.getresponse()
            if is_over.is_set():  # http.client takes a cut for the end of the headers
                raise Unreachable(f"no answer within {ANSWER_SECONDS} s")
            text = _beginning(response)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unreachable(f"no answer: {error or type(error).__name__}") from error
    after = response.headers.get("Retry-After", "")
    return Answer(response.status, text, int(after) if after.isascii() and after.isdigit() and len(after) < 6 else 0)


def _beginning(response: http.client.HTTPResponse) -> str:
    """Of a body that breaks off nothing is kept: what was answered is said by the status."""
    try:
        return response.read(MAX_ANSWER).decode(errors="replace")
    except (OSError, http.client.HTTPException, ValueError):
        return ""


@contextmanager
def _cut_off(connected: socket.socket, seconds: float) -> Iterator[threading.Event]:
    """Gives what is set when the time was over.

    A timeout of a socket begins anew with each byte: one that drips would hold us for ever.
    """
    # Past SSLSocket's own shutdown, which is not for another thread than the one that reads.
    is_over = threading.Event()
    timer = threading.Timer(seconds, _shut, args=(connected, is_over))
    timer.daemon = True
    timer.start()
    try:
        yield is_over
    finally:
        timer.cancel()


def _shut(connected: socket.socket, is_over: threading.Event) -> None:
    is_over.set()
    with suppress(OSError):  # it is closed already
        socket.socket.shutdown(connected, socket.SHUT_RDWR)


@contextmanager
def _connected(host: str, port: int, tls: bool) -> Iterator[http.client.HTTPConnection]:
    """A connection whose socket goes to a checked address, and which is asked for by its name."""
    connection = http.client.HTTPSConnection(host, port) if tls else http.client.HTTPConnection(host, port)
    try:
        plain = _socket(checked(host, port), port)
        connection.sock = _secured(plain, host) if tls else plain
        connection.sock.settimeout(ANSWER_SECONDS)
        connection.auto_open = 0  # it never opens another one by itself, past the check
        yield connection
    finally:
        connection.close()


def _secured(plain: socket.socket, host: str) -> ssl.SSLSocket:
    try:
        return ssl.create_default_context().wrap_socket(plain, server_hostname=host)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        plain.close()
        raise Unreachable(f"no safe connection to {host}: {error}") from error


def _socket(addresses: list[str], port: int) -> socket.socket:
    """To the first address that answers."""
    last: OSError | None = None
    for address in addresses:
        try:
            return socket.create_connection((address, port), CONNECT_SECONDS)
        except OSError as error:
            last = error
    raise Unreachable(f"no connection: {last}") from last


def _resolved(host: str, port: int) -> list[str]:
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"{host} has no address: {error}") from error
    return list(dict.fromkeys(str(row[4][0]) for row in rows))[:4]
