"""The seam to whoever sends users to hosts."""

from collections.abc import Iterable
from typing import Protocol

from pipelines.deploys.models import HostDeploy, Phase
from pipelines.errors import UserError


class NoBalancer(UserError):
    """Blue/green turns the traffic at a balancer, and the environment has none."""


class Known(Protocol):
    """A host as its record or its inventory has it."""

    @property
    def name(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def external_id(self) -> str: ...
    @property
    def group(self) -> str: ...


class Place(Protocol):
    """What traffic needs of a lane: one host of a deploy."""

    row: HostDeploy

    def note(self, phase: Phase, *lines: str) -> None:
        """How far the host is, and lines for its log; phases only go forward."""
        ...

    def do(self, script: str, what: str, deadline_seconds: float) -> str:
        """Run a script on the host that has to succeed, and return what it printed."""
        ...


class Traffic(Protocol):
    """Who gets users' requests. Every verb may be called again by a worker that takes over."""

    def confirm(self, lane: Place) -> None:
        """Raise now what would keep us from draining the host or letting it in; changes nothing."""
        ...

    def served(self, hosts: Iterable[Known]) -> frozenset[str]:
        """The names of those of these hosts that get requests now; of none where nobody can tell. Whoever gets none
        goes first: nobody notices it, and it serves while the others are changed."""
        ...

    def drain(self, lane: Place, *, even_last: bool = False) -> None:
        """No new requests to the host; returns when those that it had are gone or their time is over.

        Raises LastServer rather than leave nobody to serve unless `even_last`, CommandCancelled with the host in the
        traffic as before, and the balancer's errors."""
        ...

    def attach(self, lane: Place, port: int | None = None) -> None:
        """The host gets requests again, at another port if one is given; in a group that waits for the flip it is
        only made ready. Raises NotTaken, and the balancer's errors."""
        ...

    def flip(self, to_group: str) -> None:
        """All traffic to the hosts of that group, none to the others, in one go. Raises NotTaken after it has turned
        the traffic back, and the balancer's errors."""
        ...

    def forget(self, lane: Place) -> None:
        """The host, which was drained, is gone for good."""
        ...

    def to_the_end(self) -> "Traffic":
        """The same, whose waits a person's cancel does not end: what is done then is done because of it."""
        ...

    def left_out(self, row: HostDeploy) -> str:
        """In words, that a host which has come so far and no further gets no requests; empty when it does."""
        ...


class NoTraffic:
    """An environment without a balancer."""

    def confirm(self, lane: Place) -> None:
        """Nobody is asked."""

    def served(self, hosts: Iterable[Known]) -> frozenset[str]:
        return frozenset()

    def drain(self, lane: Place, *, even_last: bool = False) -> None:
        """Nobody is told."""

    def attach(self, lane: Place, port: int | None = None) -> None:
        """Nobody is told."""

    def flip(self, to_group: str) -> None:
        raise NoBalancer("blue/green takes a balancer that turns the traffic: choose one for the environment")

    def forget(self, lane: Place) -> None:
        """Nobody is told."""

    def to_the_end(self) -> Traffic:
        return self

    def left_out(self, row: HostDeploy) -> str:
        return ""
