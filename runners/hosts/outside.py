"""Asks a URL from here, as somebody outside the hosts would: one question, no proxy, no redirects, an end to it all."""

import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Timer
from urllib.parse import SplitResult, urlsplit

from pipelines.deploys.alarms import is_metadata
from pipelines.errors import UserError
from runners.hosts.health import Answer

SECONDS = 10.0
BODY_BYTES = 300
_TOO_LONG = Answer(False, "the answer took too long")


class ForbiddenAddress(UserError):
    """The URL leads to an address that answers with a machine's credentials."""


class _Tls(http.client.HTTPConnection):
    """Over a socket that has become one of TLS; http.client's own would keep that from us until it is."""

    default_port = 443


def ask(url: str, seconds: float = SECONDS) -> Answer:
    """Good is an answer from 200 to 299 that is over in time. Raises ForbiddenAddress, and ValueError for what is no
    such URL."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is no URL of http or https")
    kind = _Tls if parts.scheme == "https" else http.client.HTTPConnection
    connection, until = kind(parts.hostname, parts.port, timeout=seconds), time.monotonic() + seconds
    try:
        connection.connect()
        _refuse_metadata(connection, url)
        with _cut_off(connection.sock, until - time.monotonic()):
            answer = _answer(connection, parts)
    except (OSError, http.client.HTTPException) as error:
        answer = Answer(False, f"{type(error).__name__}: {error}")
    finally:
        connection.close()
    return answer if time.monotonic() < until else _TOO_LONG


def _answer(connection: http.client.HTTPConnection, parts: SplitResult) -> Answer:
    if isinstance(connection, _Tls):
        connection.sock = ssl.create_default_context().wrap_socket(connection.sock, server_hostname=parts.hostname)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request("GET", target, headers={"User-Agent": "slipway-alarm", "Accept": "*/*"})
    answer = connection.getresponse()
    body = answer.read(BODY_BYTES).decode(errors="replace")
    return Answer(200 <= answer.status < 300, f"{answer.status} {' '.join(body.split())}".strip())


@contextmanager
def _cut_off(sock: socket.socket, seconds: float) -> Iterator[None]:
    """A socket's timeout begins anew with every byte; this one does not."""
    same = sock.dup()  # the handshake of TLS takes the first one away

    def cut() -> None:
        with suppress(OSError):
            same.shutdown(socket.SHUT_RDWR)

    timer = Timer(max(0.0, seconds), cut)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        same.close()


def _refuse_metadata(connection: http.client.HTTPConnection, url: str) -> None:
    """By the address that was reached, whatever the name said: nothing has been asked there yet."""
    reached = ipaddress.ip_address(connection.sock.getpeername()[0].partition("%")[0])
    if is_metadata(reached):
        raise ForbiddenAddress(f"{url} leads to {reached}, where a cloud keeps its machines' credentials")
