"""The lanes of a deploy: one for each of its hosts, of the kind of its release."""

import copy
from collections.abc import Sequence
from functools import partial

from django.conf import settings

from pipelines.deploys import hostkeys, rollbacks
from pipelines.deploys.fences import token_of
from pipelines.deploys.models import Deploy, Environment, Host, HostDeploy
from pipelines.spec.installation import DeploySpec, ReleaseKind
from runners.balancers.balancer import Run
from runners.hosts.archive import Archive
from runners.hosts.balanced import traffic_of
from runners.hosts.convoy import Stops
from runners.hosts.deploylog import DeployLog
from runners.hosts.files import FilesLane
from runners.hosts.images import ImageLane
from runners.hosts.lane import Lane
from runners.hosts.plain import CommandsLane
from runners.hosts.plan import Plan
from runners.hosts.scripts.hostlock import Claim
from runners.hosts.scripts.layout import layout_of, render_environment
from runners.hosts.signin import target_of
from runners.hosts.ssh.connection import check
from runners.hosts.ssh.fleet import Fleet, Target

KINDS: dict[ReleaseKind, type[Lane]] = {
    ReleaseKind.FILES: FilesLane,
    ReleaseKind.IMAGE: ImageLane,
    ReleaseKind.COMMANDS: CommandsLane,
}


def _claim(deploy: Deploy) -> Claim:
    """What hosts know this server and this deploy by."""
    return Claim(deploy.pk, deploy.fence, token_of(deploy), settings.SLIPWAY_SERVER_ID, settings.SLIPWAY_URL)


def plan_of(deploy: Deploy, fleet: Fleet, archive: Archive, stops: Stops, log: DeployLog) -> Plan:
    """What is the same on every host."""
    spec = DeploySpec.from_json(deploy.release.deploy_spec)
    secrets = {secret.name: secret.value for secret in deploy.environment.secrets.all()}
    values = {name: str(value) for name, value in deploy.configuration.values.items()}
    return Plan(
        deploy=deploy,
        spec=spec,
        layout=layout_of(spec),
        claim=_claim(deploy),
        archive=archive,
        environment_file=render_environment(values | secrets),
        values=values | secrets,
        spared=rollbacks.spared(deploy),
        needles=log.needles,
        fleet=fleet,
        cancelled=stops.cancelled.is_set,
        abandoned=stops.abandoned,
        traffic=traffic_of(deploy, log.say, partial(_run_on, deploy.environment, fleet), stops.cancelled.is_set),
    )


def lanes_of(plan: Plan, rows: Sequence[HostDeploy]) -> list[Lane]:
    """In the order of the rows; each writes as the worker that holds the plan's deploy."""
    environment = plan.deploy.environment
    keys = hostkeys.by_place(environment)
    lanes = []
    for row in rows:
        row.deploy = plan.deploy
        lanes.append(lane_of(plan, row, target_of(environment, row, keys)))
    return lanes


def lane_of(plan: Plan, row: HostDeploy, target: Target) -> Lane:
    return KINDS[plan.spec.kind](plan, row, target)


def _run_on(environment: Environment, fleet: Fleet, host: Host) -> Run:
    """A way to run commands on any host of the environment, be it one of the deploy's or not."""
    target = target_of(environment, host, hostkeys.by_place(environment))

    def run(command: str, what: str, deadline_seconds: float) -> str:
        return check(fleet.connect(target), command, what, deadline_seconds=deadline_seconds)

    return run


def speaking_into_the_deploys_log(lane: Lane) -> Lane:
    """The same host, for what comes after its own log was closed."""
    row = copy.copy(lane.row)
    row.log = lane.plan.deploy.log
    keys = hostkeys.by_place(lane.plan.deploy.environment)
    return lane_of(lane.plan, row, target_of(lane.plan.deploy.environment, row, keys))
