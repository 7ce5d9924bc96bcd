"""Replace: new machines come in beside those that serve, and when all of them are well those go.

The machines that serve are left as they are until then; whatever goes wrong, the new ones go and nothing has changed.
With `remove_first` they leave the traffic before the new ones get it.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from django.conf import settings
from django.db import connection
from django.utils import timezone

from pipelines.deploys import admission, hostkeys, requests
from pipelines.deploys.fences import hold
from pipelines.deploys.models import Deploy, Host, HostDeploy, HostKeyPolicy, Phase
from pipelines.deploys.plans import Listed
from pipelines.deploys.strategies import waves
from pipelines.deploys.waits import SetAside
from pipelines.errors import LostRace, PipelineError, UserError, told
from pipelines.states.status import Status
from runners.balancers.balancer import UnknownServer
from runners.clouds.inventory import FoundHost, NoHosts
from runners.clouds.power import Ec2Power, open_power
from runners.hosts.convoy import QUESTIONS_AT_ONCE, Convoy, Stops
from runners.hosts.hostlist import HostList, list_hosts
from runners.hosts.plan import Plan
from runners.hosts.signin import target_at, target_of
from runners.hosts.ssh.connection import AuthenticationRefused, CommandCancelled, HostUnreachable, check
from runners.hosts.ssh.fleet import Target, on_all
from runners.hosts.verdicts import Verdict

BOOT_SECONDS = 300
LOOK_SECONDS = 1.0
Say = Callable[[str], None]


class NotChosenHere(UserError):
    """The repository proposes to start and end machines; that is for the environment alone to say."""


class KeysUnknown(UserError):
    """Machines that are started by a deploy show host keys that nobody can have approved before."""


class NotBooted(UserError):
    """A new machine runs, and does not let us in within the time for that."""


def applies(deploy: Deploy) -> bool:
    """A repair brings what is live to the machines that are there."""
    return requests.replaces_machines(deploy)


def choose(plan: Plan, say: Say, stops: Stops) -> HostList:
    """Start a machine like each that serves, and wait until all let us in: these are the deploy's hosts.

    When that fails they are ended again. Raises NotChosenHere, KeysUnknown, NoHosts where nothing serves that they
    could be like, NotBooted, and what the cloud raises.
    """
    deploy, power = plan.deploy, power_of(plan.deploy)
    if not deploy.environment.strategy:
        raise NotChosenHere(
            f"release {deploy.release.number} asks to replace the machines of {deploy.environment}, whose own strategy"
            " does not say so: whoever runs the server sets it there, or the release is to be brought in another way"
        )
    if deploy.environment.host_key_policy != HostKeyPolicy.FIRST_USE:
        raise KeysUnknown(
            f"{deploy.environment} takes only host keys that a person has approved, and new machines have new ones:"
            " let it pin a host's first key by itself"
        )
    ours = {host.external_id for host in power.started()}
    serving = [host for host in list_hosts(deploy.environment) if host.external_id not in ours]
    if not serving:  # then those that it has started may be all that users have
        raise NoHosts(f"no machine of {deploy.environment} serves that new ones could be like")
    try:
        admission.admit(deploy, serving)
        say(f"starting {len(serving)} machines like {', '.join(host.name for host in serving)}")
        new = [_listed(one) for one in power.start([host.external_id for host in serving], _refuse_stopped(stops))]
        _await_boot(plan, new, stops)
    except PipelineError as error:
        if isinstance(error, SetAside) or not isinstance(error, LostRace):
            _give_back(power, say)
        raise
    say(f"{', '.join(host.name for host in new)} let us in")
    return HostList(waves(requests.strategy(deploy), new), [*serving, *new])


def _give_back(power: Ec2Power, say: Say) -> None:
    """Why the new machines are not wanted is what counts; that they could not be ended is said beside."""
    try:
        power.end([host.external_id for host in power.started()])
    except PipelineError as error:
        say(f"new machines may run on: {told(error)}")


def make_room(plan: Plan, convoy: Convoy, say: Say) -> None:
    """Where never two releases may serve, those that serve leave the traffic now, and nobody does for a while."""
    if _removes_first(plan.deploy):
        say("the old machines leave the traffic first: until the new ones are in it nobody serves users")
        _retire(plan, convoy, say)


def retire(plan: Plan, convoy: Convoy, say: Say) -> None:
    """All new ones serve: those that served leave the traffic, and stand by. Trouble is the convoy's complaint."""
    is_done = plan.deploy.watched_until is not None or _removes_first(plan.deploy)
    if applies(plan.deploy) and not is_done:
        _retire(plan, convoy, say)


def _removes_first(deploy: Deploy) -> bool:
    return applies(deploy) and requests.strategy(deploy).remove_first


def _retire(plan: Plan, convoy: Convoy, say: Say) -> None:
    leaving = [_leaving(plan, host, say) for host in _serving_before(plan.deploy)]

    def drain(host: _Leaving) -> None:
        try:
            plan.traffic.drain(host, even_last=_removes_first(plan.deploy))
        finally:
            connection.close()

    for error in on_all(leaving, drain, QUESTIONS_AT_ONCE):
        if isinstance(error, PipelineError):
            convoy.complaint = convoy.complaint or told(error)
        elif isinstance(error, Exception):
            raise error


def end(plan: Plan, verdict: Verdict, say: Say) -> None:
    """Whoever is not needed after the verdict goes for good: those that served before, or the new ones.

    A machine that cannot be ended is named in the log, and is somebody's bill.
    """
    if not applies(plan.deploy) or not plan.deploy.hosts.exists():
        return
    plan = replace(plan, traffic=plan.traffic.to_the_end())
    is_good = verdict.status == Status.SUCCEEDED
    power, going = power_of(plan.deploy), _new(plan.deploy, well=False)
    hold(plan.deploy)
    try:
        going += _replaced(plan.deploy, power) if is_good else _new(plan.deploy, well=True)
        if not is_good:
            _let_in_again(plan, say)
        going = [host for host in going if _is_sent_away(plan, host, say)]
        power.end([host.external_id for host in going])
    except PipelineError as error:
        say(f"{', '.join(host.name for host in going)} may run on: {told(error)}")
    else:
        say(f"ended for good: {', '.join(host.name for host in going) or 'none'}")
        Host.objects.filter(pk__in=[host.pk for host in going]).update(gone_at=timezone.now())


def power_of(deploy: Deploy) -> Ec2Power:
    place = deploy.environment
    return open_power(place.inventory_kind, place.inventory, place.inventory_secret, mark_of(deploy), deploy.number)


def mark_of(deploy: Deploy) -> str:
    """What its machines are known by: no other server's, nor one that has its key once a database was restored."""
    made = f"{deploy.created_at.timestamp():.6f}"
    return f"{settings.SLIPWAY_SERVER_ID}/{deploy.environment_id}/{deploy.pk}/{made}"


@dataclass(slots=True)
class _Leaving:
    """A host without a lane, as the traffic sees it; what there is to say goes into the deploy's log."""

    row: HostDeploy
    plan: Plan
    say: Say

    def note(self, phase: Phase, *lines: str) -> None:
        for line in lines:
            self.say(f"{self.row.host.name}: {line}")

    def do(self, script: str, what: str, deadline_seconds: float) -> str:
        environment = self.plan.deploy.environment
        target = target_of(environment, self.row.host, hostkeys.by_place(environment))
        return check(self.plan.fleet.connect(target), script, what, deadline_seconds=deadline_seconds)


def _leaving(plan: Plan, host: Host, say: Say) -> _Leaving:
    return _Leaving(HostDeploy(deploy=plan.deploy, host=host), plan, say)


def _serving_before(deploy: Deploy) -> list[Host]:
    mine = deploy.hosts.values("host")
    return list(deploy.environment.hosts.filter(gone_at=None).exclude(pk__in=mine).order_by("name"))


def _replaced(deploy: Deploy, power: Ec2Power) -> list[Host]:
    """A host that came to be known meanwhile has no machine that takes its place."""
    replaced = power.replaced()
    return [host for host in _serving_before(deploy) if host.external_id in replaced]


def _new(deploy: Deploy, *, well: bool) -> list[Host]:
    rows = deploy.hosts.select_related("host").order_by("host__name")
    return [row.host for row in rows if (row.status == Status.SUCCEEDED) == well]


def _let_in_again(plan: Plan, say: Say) -> None:
    for host in _serving_before(plan.deploy):
        plan.traffic.attach(_leaving(plan, host, say))


def _is_sent_away(plan: Plan, host: Host, say: Say) -> bool:
    """Only whoever gets no requests any more is to end. The balancer may never have known it, nor it have answered."""
    leaving = _leaving(plan, host, say)
    try:
        plan.traffic.drain(leaving, even_last=_removes_first(plan.deploy))
        plan.traffic.forget(leaving)
    except (UnknownServer, HostUnreachable) as error:
        say(f"{host.name}: {told(error)}")
    except UserError as error:
        say(f"{host.name} is left as it is, and may run on: {told(error)}")
        return False
    return True


def _await_boot(plan: Plan, new: Sequence[Listed], stops: Stops) -> None:
    environment = plan.deploy.environment
    keys = hostkeys.by_place(environment)
    targets = [target_at(environment, host.address, host.port, keys) for host in new]
    ends = time.monotonic() + BOOT_SECONDS

    def knock(target: Target) -> None:
        try:
            _knock(plan, target, stops, ends)
        finally:
            connection.close()

    for error in on_all(targets, knock, QUESTIONS_AT_ONCE, stops.abandon):
        if isinstance(error, Exception):
            raise error


def _knock(plan: Plan, target: Target, stops: Stops, ends: float) -> None:
    """A machine that boots refuses connections, and then for a while our key."""
    while True:
        try:
            plan.fleet.connect(target, plan.cancelled)
            return
        except (HostUnreachable, AuthenticationRefused) as error:
            if time.monotonic() > ends:
                raise NotBooted(
                    f"{target.address} does not let us in within {BOOT_SECONDS} s: {told(error)}"
                ) from error
        _refuse_stopped(stops)()
        time.sleep(LOOK_SECONDS)


def _refuse_stopped(stops: Stops) -> Callable[[], None]:
    def refuse() -> None:
        stops.refuse_abandoned()
        if stops.cancelled.is_set():
            raise CommandCancelled("starting machines was cancelled")

    return refuse


def _listed(found: FoundHost) -> Listed:
    return Listed(found.name, found.address, found.external_id, found.port, found.group)
