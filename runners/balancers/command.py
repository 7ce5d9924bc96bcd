"""Commands on each host, for whatever else sends users there: a health file that a balancer looks at, a tool."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from shlex import quote
from typing import Any, Self

from runners.balancers.balancer import (
    ATTACH_SECONDS,
    DRAIN_SECONDS,
    BalancerFailed,
    Say,
    Server,
    State,
    named,
    refuse_unknown,
    required,
    seconds_of,
    text_of,
)

KEYS = ("drain", "attach", "connections", "serving", "server", "drain_seconds", "attach_seconds")
COMMAND_SECONDS = 30.0
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Commands:
    """`{"drain": "touch /srv/shop/out", "attach": "rm -f /srv/shop/out", "drain_seconds": 10}`

    Each is run on the host that it is about, and must bear to be repeated. `connections` prints how many requests are
    open; without it `drain_seconds` are waited in full. `serving` prints `yes` when the host gets requests, anything
    else when not. They see SLIPWAY_HOST, SLIPWAY_ADDRESS, SLIPWAY_GROUP and SLIPWAY_PORT (empty: as before).
    """

    drain_command: str
    attach_command: str
    connections_command: str = ""
    serving_command: str = ""
    template: str = "{host}"
    drain_seconds: float = DRAIN_SECONDS
    attach_seconds: float = ATTACH_SECONDS
    poll_seconds: float = 0.5

    @classmethod
    def parse(cls, settings: Mapping[str, Any]) -> Self:
        refuse_unknown(settings, KEYS)
        return cls(
            required(settings, "drain", "touch /srv/shop/out"),
            required(settings, "attach", "rm -f /srv/shop/out"),
            text_of(settings, "connections"),
            text_of(settings, "serving"),
            text_of(settings, "server", "{host}") or "{host}",
            seconds_of(settings, "drain_seconds", DRAIN_SECONDS),
            seconds_of(settings, "attach_seconds", ATTACH_SECONDS),
        )

    @property
    def label(self) -> str:
        return "the hosts' own commands"

    def name_of(self, server: Server) -> str:
        return named(self.template, server)

    def state(self, server: Server) -> State:
        serving = self._ask(server, self.serving_command)
        connections = self._ask(server, self.connections_command)
        return State(
            None if serving is None else serving == "yes",
            None if connections is None else _number(server, connections) == 0,
            "" if connections is None else f"{connections} connections open",
            serving or "",
        )

    def serving(self) -> None:
        """Each host knows of itself alone."""

    def drain(self, server: Server, say: Say) -> None:
        self._perform(server, self.drain_command, say)

    def park(self, server: Server, say: Say) -> None:
        """Drained is all that there is."""

    def prepare(self, server: Server, say: Say) -> None:
        self._perform(server, self.drain_command, say)

    def attach(self, server: Server, say: Say) -> None:
        self._perform(server, self.attach_command, say)

    def narrow(self, server: Server, say: Say) -> bool:
        """The command to attach it was told its port."""
        return True

    def forget(self, server: Server, say: Say) -> None:
        """It took what it knew along."""

    def flip(self, come: Sequence[Server], go: Sequence[Server], say: Say) -> None:
        """The ones that come first, all of them at the same time; then the others."""
        for servers, verb in ((come, self.attach), (go, self.drain)):
            with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="flip") as pool:
                list(pool.map(partial(verb, say=say), servers))

    def _perform(self, server: Server, command: str, say: Say) -> None:
        say(f"$ {command}")
        server.run(_with_facts(server, command), command.split()[0], COMMAND_SECONDS)

    def _ask(self, server: Server, command: str) -> str | None:
        return server.run(_with_facts(server, command), "asking the host", COMMAND_SECONDS).strip() if command else None


def _number(server: Server, printed: str) -> int:
    if not printed.isdecimal():
        raise BalancerFailed(f"{server.name}: `connections` has to print a number, not {printed[:100]!r}.")
    return int(printed)


def _with_facts(server: Server, command: str) -> str:
    facts = {
        "SLIPWAY_HOST": server.name,
        "SLIPWAY_ADDRESS": server.address,
        "SLIPWAY_GROUP": server.group,
        "SLIPWAY_PORT": "" if server.port is None else str(server.port),
    }
    return "".join(f"export {name}={quote(value)}\n" for name, value in facts.items()) + command
