"""HAProxy through its runtime API: a socket that takes commands, with the level `admin`."""

import csv
import io
import ipaddress
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

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

PATIENCE_SECONDS = 5.0
KEYS = ("socket", "backend", "server", "new_server", "drain_seconds", "attach_seconds")

_ANSWER_BYTES_MAX = 16 * 1024 * 1024
_BACKEND = re.compile(r"[A-Za-z0-9_.:-]{1,200}\Z")
_NO_SUCH = ("no such server", "no such backend", "can't find backend")
_OPTIONS = re.compile(r"[A-Za-z0-9 ._:/-]{0,300}\Z")


@dataclass(frozen=True, slots=True)
class HAProxy:
    """`{"socket": "tcp://10.0.4.2:9999", "backend": "shop", "server": "{host}", "drain_seconds": 30}`

    `socket` is `tcp://host:port`, `unix:///path`, or a list of these: each of several HAProxies is told. `server` is
    what the configuration calls a host. With `new_server`, such as `{"port": 8000, "options": "check inter 2s"}`, a
    host that HAProxy does not know is added. What is told here lasts until HAProxy is reloaded.
    """

    sockets: tuple[str, ...]
    backend: str
    template: str = "{host}"
    new_port: int | None = None
    new_options: str = ""
    drain_seconds: float = DRAIN_SECONDS
    attach_seconds: float = ATTACH_SECONDS
    poll_seconds: float = 0.1

    @classmethod
    def parse(cls, settings: Mapping[str, Any]) -> Self:
        refuse_unknown(settings, KEYS)
        backend = required(settings, "backend", "shop")
        if not _BACKEND.match(backend):
            raise BadBalancer(f"balancer: {backend!r} is no name of an HAProxy backend.")
        return cls(
            _parse_sockets(settings.get("socket")),
            backend,
            text_of(settings, "server", "{host}") or "{host}",
            *_parse_new_server(settings.get("new_server")),
            seconds_of(settings, "drain_seconds", DRAIN_SECONDS),
            seconds_of(settings, "attach_seconds", ATTACH_SECONDS),
        )

    @property
    def label(self) -> str:
        return f"haproxy backend {self.backend}"

    def name_of(self, server: Server) -> str:
        return f"{self.backend}/{named(self.template, server)}"

    def state(self, server: Server) -> State:
        rows = self._rows_of(server)
        connections = sum(_open(row) for _, row in rows)
        words = sorted({row["status"] for _, row in rows})
        return State(
            serving=len(rows) == len(self.sockets) and all(_is_serving(row) for _, row in rows),
            drained=connections == 0,
            load=f"{connections} connection{'' if connections == 1 else 's'} open" if rows else "",
            status=" and ".join(words) or "not known yet",
            on_trust=any("/" in word for word in words),  # “UP 1/3”: the first check that fails takes it out
        )

    def serving(self) -> frozenset[str]:
        """Of several HAProxies, what gets requests from each of them."""
        each = [{name for name, row in self._rows(place).items() if _is_serving(row)} for place in self.sockets]
        return frozenset(set.intersection(*each))

    def drain(self, server: Server, say: Say) -> None:
        """One that is in maintenance stays there: to drain it would let persistent sessions in again."""
        for place, row in self._rows_of(server):
            if not row["status"].startswith(("MAINT", "DRAIN")):
                self._set(place, server, "drain", say)

    def park(self, server: Server, say: Say) -> None:
        """Maintenance: also those whom a cookie binds to it go elsewhere; coming back, it counts as up at once."""
        for place, _ in self._rows_of(server):
            self._set(place, server, "maint", say)

    def prepare(self, server: Server, say: Say) -> None:
        """Drained, so that HAProxy's own checks go on and the flip finds servers that are known to be up."""
        for place in self.sockets:
            self._admit(place, server, say)
            self._set(place, server, "drain", say)

    def attach(self, server: Server, say: Say) -> None:
        for place in self.sockets:
            self._admit(place, server, say)
            self._set(place, server, "ready", say)

    def narrow(self, server: Server, say: Say) -> bool:
        """A server has one port: attaching it has moved it."""
        return True

    def forget(self, server: Server, say: Say) -> None:
        """One that the configuration has comes back with the next reload, and waits in maintenance until then."""
        name = self.name_of(server)
        for place in self.sockets:
            if name in self._rows(place):
                self._set(place, server, "maint", say)
                if self.new_port is not None:
                    self._tell(place, f"del server {name}", say, "server deleted")

    def flip(self, come: Sequence[Server], go: Sequence[Server], say: Say) -> None:
        """One line of commands for each HAProxy, which it performs without a pause between them."""
        wanted = [(self.name_of(one), "ready") for one in come] + [(self.name_of(one), "drain") for one in go]
        for place in self.sockets:
            rows = self._rows(place)
            for name, _ in wanted:
                self._known(place, rows, name)
        commands = [f"set server {name} state {state}" for name, state in wanted]
        for command in commands:
            say(f"$ haproxy: {command}")
        for place in self.sockets:
            _refuse_words(place, commands, _ask(place, "; ".join(commands)))

    def _set(self, place: str, server: Server, state: str, say: Say) -> None:
        self._tell(place, f"set server {self.name_of(server)} state {state}", say)

    def _admit(self, place: str, server: Server, say: Say) -> None:
        """Known, and at its port."""
        name, port = self.name_of(server), server.port or self.new_port
        if self.new_port is not None and name not in self._rows(place):
            added = f"add server {name} {_endpoint_of(server.address, port)} {self.new_options}".strip()
            self._tell(place, added, say, "new server registered")
            if "check" in self.new_options.split():
                self._tell(place, f"enable health {name}", say)
        elif server.port is not None:
            where = f"addr {_numeric(server.address)} port {server.port:d}"
            self._tell(place, f"set server {name} {where}", say, "no need to change", "ip changed", "port changed")

    def _tell(self, place: str, command: str, say: Say, *obeyed: str) -> None:
        """`obeyed` is how an answer begins that is no refusal; otherwise one who obeys says nothing."""
        say(f"$ haproxy: {command}")
        answer = _ask(place, command)
        if not (obeyed and answer.lower().startswith(obeyed)):
            _refuse_words(place, [command], answer or ("no answer" if obeyed else ""))

    def _rows_of(self, server: Server) -> list[tuple[str, dict[str, str]]]:
        """Where it is known, and its row there. One that is yet to be added may be known nowhere."""
        name = self.name_of(server)
        every = [(place, self._rows(place)) for place in self.sockets]
        if self.new_port is None:
            return [(place, self._known(place, rows, name)) for place, rows in every]
        return [(place, rows[name]) for place, rows in every if name in rows]

    def _known(self, place: str, rows: Mapping[str, dict[str, str]], name: str) -> dict[str, str]:
        if name not in rows:
            known = ", ".join(sorted(rows)[:10]) or "none"
            raise UnknownServer(f"HAProxy at {place} has no server {name}; it has {known}.")
        return rows[name]

    def _rows(self, place: str) -> dict[str, dict[str, str]]:
        """Backend/server → its row of `show stat`."""
        command = f"show stat {self.backend} 4 -1"
        answer = _ask(place, command)
        if not answer.startswith("# pxname,"):
            _refuse_words(place, [command], answer or "no answer")
        rows = csv.DictReader(io.StringIO(answer.removeprefix("# ")))
        return {f"{row['pxname']}/{row['svname']}": row for row in rows}


def _parse_sockets(value: object) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value]
    if not listed or not all(isinstance(one, str) and _endpoint(one) for one in listed):
        raise BadBalancer(
            f"balancer: socket has to be tcp://host:port or unix:///path, or a list of these, not {value!r}."
        )
    return tuple(str(one) for one in listed)


def _parse_new_server(value: object) -> tuple[int | None, str]:
    if value is None:
        return None, ""
    port, options = (value.get("port"), value.get("options", "")) if isinstance(value, dict) else (None, None)
    if not (isinstance(port, int) and 0 < port < 65536 and isinstance(options, str) and _OPTIONS.match(options)):
        raise BadBalancer(
            f'balancer: new_server has to be like {{"port": 8000, "options": "check inter 2s"}}, not {value!r}.'
        )
    return port, options


def _endpoint_of(address: str, port: int | None) -> str:
    numeric = _numeric(address)
    return f"[{numeric}]:{port}" if ":" in numeric else f"{numeric}:{port}"


def _endpoint(place: str) -> tuple[str, int] | str | None:
    """Where to connect to; None for what is neither."""
    if place.startswith("unix:///") or place.startswith("/"):
        return place.removeprefix("unix://")
    found = re.fullmatch(r"tcp://\[?([A-Za-z0-9_.:-]+?)\]?:(\d{1,5})", place)
    return (found[1], int(found[2])) if found and 0 < int(found[2]) < 65536 else None


def _ask(place: str, line: str) -> str:
    """One line of commands, and all that comes back for it."""
    try:
        with _connected(place) as door:
            door.sendall(line.encode() + b"\n")
            return _read(door).decode(errors="replace").strip()
    except OSError as error:
        raise BalancerFailed(f"HAProxy at {place} could not be asked: {error}") from error


def _connected(place: str) -> socket.socket:
    where = _endpoint(place)
    if isinstance(where, tuple):
        return socket.create_connection(where, PATIENCE_SECONDS)
    door = socket.socket(socket.AF_UNIX)
    try:
        door.settimeout(PATIENCE_SECONDS)
        door.connect(where or place)
    except OSError:
        door.close()
        raise
    return door


def _read(door: socket.socket) -> bytes:
    """HAProxy closes the connection after its answer."""
    pieces: list[bytes] = []
    while sum(map(len, pieces)) < _ANSWER_BYTES_MAX and (piece := door.recv(65536)):
        pieces.append(piece)
    return b"".join(pieces)


def _refuse_words(place: str, commands: Sequence[str], answer: str) -> None:
    """HAProxy says nothing when it has obeyed."""
    words = " ".join(answer.split())
    if not words:
        return
    told = f"HAProxy at {place} refuses “{'; '.join(commands)[:300]}”: {words[:300]}"
    if words.lower().startswith(_NO_SUCH):
        raise UnknownServer(told)
    if words.lower().startswith("permission denied"):
        told += "; its socket needs `level admin`"
    raise BalancerRefused(told)


def _numeric(address: str) -> str:
    """HAProxy's runtime API takes addresses, no names."""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        pass
    try:
        return str(socket.getaddrinfo(address, None, type=socket.SOCK_STREAM)[0][4][0])
    except OSError as error:
        raise BalancerFailed(f"the address of {address} could not be found: {error}") from error


def _is_serving(row: Mapping[str, str]) -> bool:
    return row["status"].startswith(("UP", "no check")) and row["weight"] != "0"


def _open(row: Mapping[str, str]) -> int:
    return int(row["scur"] or 0) + int(row["qcur"] or 0)
