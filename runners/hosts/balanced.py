"""No user notices a deploy: hosts leave the balancer before they are changed, and come back when they are well."""

import copy
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial

from pipelines.deploys import flips
from pipelines.deploys.models import Deploy, DeployKind, Environment, Host, HostDeploy, Phase
from pipelines.errors import LostRace, PipelineError, SystemFault, UserError
from pipelines.states.status import Status
from runners.balancers.balancer import Balancer, Run, Say, Server
from runners.balancers.sources import open_balancer
from runners.hosts.ssh.connection import CommandCancelled, never
from runners.hosts.traffic import Known, NoTraffic, Place, Traffic


class LastServer(UserError):
    """To take this host out would leave nobody to serve users."""


class NotTaken(UserError):
    """The release is healthy on the host, and the balancer still sends no requests there."""


class Balanced:
    """An environment behind a balancer, during one deploy. Safe to use from the threads of many lanes."""

    def __init__(
        self,
        deploy: Deploy,
        balancer: Balancer,
        say: Say,
        run_on: Callable[[Host], Run] | None = None,
        cancelled: Callable[[], bool] = never,
    ) -> None:
        self._deploy, self._balancer, self._say = deploy, balancer, say
        self._run_on, self._cancelled = run_on, cancelled
        self._turns = flips.turns(deploy)
        self._turn = threading.Lock()

    def confirm(self, lane: Place) -> None:
        self._balancer.state(_server(lane))

    def served(self, hosts: Iterable[Known]) -> frozenset[str]:
        """A balancer that cannot be asked is the hosts' own trouble: each says so."""
        try:
            serving = None if self._turns else self._balancer.serving()
            return frozenset(host.name for host in hosts if serving and self._balancer.name_of(_bare(host)) in serving)
        except (UserError, SystemFault):
            return frozenset()

    def drain(self, lane: Place, *, even_last: bool = False) -> None:
        say, server = partial(lane.note, Phase.DRAINING), _server(lane)
        if even_last:
            self._balancer.drain(server, say)
        else:
            self._await_another(lane, server, say)
        try:
            self._await_gone(lane, server, say)
            self._balancer.park(server, say)
            self._refuse_cancelled(lane)
        except PipelineError as error:
            was_in = not lane.row.switched and not self._waits_for_flip(lane.row.host)
            if was_in and not isinstance(error, LostRace):
                self._let_in_again(server, say)
            raise

    def attach(self, lane: Place, port: int | None = None) -> None:
        say, server = partial(lane.note, Phase.ATTACHING), replace(_server(lane), port=port)
        if self._waits_for_flip(lane.row.host):
            self._balancer.prepare(server, say)
            self._balancer.narrow(server, say)
            say(f"ready, and without traffic until it is turned to {server.group}")
            return
        self._balancer.attach(server, say)
        self._await_serving([server])
        self._await_narrowed(lane, server, say)

    def flip(self, to_group: str) -> None:
        come, go = self._sides(to_group)
        if not come:
            raise NotTaken(f"no host of {to_group} runs release {self._deploy.release.number} well")
        began = time.monotonic()
        self._balancer.flip(come, go, self._say)
        try:
            self._await_serving(come)
        except NotTaken:
            self._flip_back(come, go)
            raise
        self._say(f"{to_group} has the traffic, after {time.monotonic() - began:.1f} s")

    def forget(self, lane: Place) -> None:
        self._balancer.forget(_server(lane), partial(lane.note, Phase.DONE))

    def to_the_end(self) -> Traffic:
        going_on = copy.copy(self)
        going_on._cancelled = never
        return going_on

    def left_out(self, row: HostDeploy) -> str:
        out = (Phase.DRAINING, Phase.SWITCHING, Phase.ACTIVATING, Phase.HEALTH, Phase.ATTACHING)
        if self._turns or row.phase not in out or not row.switched or self._is_served(row.host):
            return ""
        return f"{row.host.name} stays out of {self._balancer.label} until a deploy or a rollback has brought it back"

    def _is_served(self, host: Host) -> bool:
        """As the balancer says; one that cannot be asked lets nobody in."""
        try:
            return self._balancer.state(replace(self._server_of(host), port=None)).serving is True
        except (UserError, SystemFault):
            return False

    def _waits_for_flip(self, host: Host) -> bool:
        """A repair leaves a host of the idle group where it is."""
        is_repair = self._deploy.kind == DeployKind.REPAIR
        return self._turns or (is_repair and flips.is_idle(self._deploy.environment, host))

    def _await_another(self, lane: Place, server: Server, say: Say) -> None:
        """One at a time decides whether it may go, and is out before the next one asks: of two that are left, one."""
        ends = time.monotonic() + self._balancer.drain_seconds + self._balancer.attach_seconds
        told = False
        while not self._leave(lane, server, say):
            if time.monotonic() > ends:
                raise LastServer(
                    f"{server.name} is the last that gets requests from {self._balancer.label}: to take it out would"
                    " leave nobody to serve users. It is left as it is."
                )
            if not told:
                say(f"waits: nobody else gets requests from {self._balancer.label} now")
            told = True
            self._pause(lane)

    def _leave(self, lane: Place, server: Server, say: Say) -> bool:
        with self._turn:
            serving, name = self._balancer.serving(), self._balancer.name_of(server)
            if serving is not None and name in serving and not serving - {name}:
                if self._deploy.environment.hosts.filter(gone_at=None).count() > 1:
                    return False
                say("this is the environment's only host: users notice that it is changed")
            self._balancer.drain(server, say)
        return True

    def _let_in_again(self, server: Server, say: Say) -> None:
        """It serves what it served; that it cannot be let in must not hide why."""
        try:
            self._balancer.attach(server, say)
        except PipelineError as error:
            say(f"{server.name} stays out of {self._balancer.label}: {error}")

    def _await_gone(self, lane: Place, server: Server, say: Say) -> None:
        began = time.monotonic()
        state = self._balancer.state(server)
        if state.load and not state.drained:
            say(state.load)
        while not state.drained and time.monotonic() - began < self._balancer.drain_seconds:
            self._pause(lane)
            state = self._balancer.state(server)
        if state.load:
            late = "" if state.drained else ", and nobody waits for them any longer"
            say(f"{state.load} after {time.monotonic() - began:.1f} s{late}")

    def _await_narrowed(self, lane: Place, server: Server, say: Say) -> None:
        """What served at another port may end once its requests have, or their time is over."""
        ends = time.monotonic() + self._balancer.drain_seconds
        while not self._balancer.narrow(server, say) and time.monotonic() < ends:
            self._pause(lane)

    def _await_serving(self, servers: Iterable[Server]) -> None:
        """Until the balancer has asked them itself and found them well; a slow one is taken at its word."""
        ends = time.monotonic() + self._balancer.attach_seconds
        for server in servers:
            while (state := self._balancer.state(server)).serving is False or state.on_trust:
                if time.monotonic() > ends and state.serving:
                    break
                if time.monotonic() > ends:
                    raise NotTaken(
                        f"{self._balancer.label} sends no requests to {server.name} within"
                        f" {self._balancer.attach_seconds:g} s: it says {state.status or 'nothing'}"
                    )
                time.sleep(self._balancer.poll_seconds)

    def _refuse_cancelled(self, lane: Place) -> None:
        if self._cancelled():
            raise CommandCancelled(f"{lane.row.host.name}: waiting for its requests to end was cancelled.")

    def _pause(self, lane: Place) -> None:
        self._refuse_cancelled(lane)
        time.sleep(self._balancer.poll_seconds)

    def _flip_back(self, come: Sequence[Server], go: Sequence[Server]) -> None:
        """Where nobody had the traffic before there is nothing to go back to."""
        if go and self._deploy.environment.live_group:
            self._say(f"the traffic goes back to {go[0].group}")
            self._balancer.flip(go, come, self._say)

    def _sides(self, to_group: str) -> tuple[list[Server], list[Server]]:
        """Those of the group that run the release well, and all others."""
        hosts = list(self._deploy.environment.hosts.filter(gone_at=None).exclude(group="").order_by("name"))
        ended_badly = self._deploy.hosts.exclude(finished_at=None).exclude(status=Status.SUCCEEDED)
        lost = set(ended_badly.values_list("host", flat=True))
        come = [host for host in hosts if host.group == to_group and self._runs_it(host) and host.pk not in lost]
        go = [host for host in hosts if host not in come]
        return [self._server_of(host) for host in come], [self._server_of(host) for host in go]

    def _runs_it(self, host: Host) -> bool:
        return host.release_id == self._deploy.release_id and host.healthy is not False

    def _server_of(self, host: Host) -> Server:
        """A host that may have no lane in this deploy."""
        server = replace(_bare(host), port=flips.facts_of(host).get("port"))
        return replace(server, run=self._run_on(host)) if self._run_on else server


def traffic_of(
    deploy: Deploy,
    say: Say,
    run_on: Callable[[Host], Run] | None = None,
    cancelled: Callable[[], bool] = never,
) -> Traffic:
    """The traffic of the deploy's environment. `run_on` gives a way to run commands on any of its hosts, for balancers
    that are commands there. Raises BadBalancer, and NoBalancer for blue/green without one."""
    place: Environment = deploy.environment
    balancer = open_balancer(place.balancer_kind, place.balancer, place.balancer_secret or place.inventory_secret)
    if balancer is not None:
        return Balanced(deploy, balancer, say, run_on, cancelled)
    if flips.turns(deploy):
        NoTraffic().flip("")
    return NoTraffic()


def _server(lane: Place) -> Server:
    return replace(_bare(lane.row.host), run=lane.do)


def _bare(host: Known) -> Server:
    return Server(host.name, host.address, host.external_id, host.group)
