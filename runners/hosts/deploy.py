"""The story of one deploy: from a claim to the verdict, over all of its hosts."""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from django.db import connection

from pipelines.deploys import hostkeys, lifecycle, requests
from pipelines.deploys.lifecycle import LEASE_SECONDS, DeployClaim, Listed
from pipelines.deploys.models import Deploy, DeployKind, Environment, HostDeploy, HostKeyPolicy
from pipelines.deploys.strategies import Decision, decide, waves
from pipelines.errors import LostRace, PipelineError, SystemFault, UserError
from pipelines.spec.model import DeploySpec
from pipelines.states.leases import DATABASE_AWAY
from pipelines.states.status import Status, worst
from runners.clouds.sources import open_inventory
from runners.heartbeat import Heartbeat
from runners.hosts.archive import Archive
from runners.hosts.commands import Claim
from runners.hosts.connection import Address, Connection, HostKey
from runners.hosts.fleet import Fleet, Target, on_all
from runners.hosts.hostlog import HostLog
from runners.hosts.lane import Lane, Plan
from runners.hosts.layout import Layout, render_environment
from runners.hosts.ssh import connect, load_key, scan_host_key
from runners.masking import masked, needles_of

logger = logging.getLogger(__name__)

UPLOADS_AT_ONCE = 8
HOSTS_EXPLAINED = 5


class NoCredential(UserError):
    """The environment has no key to sign in to its hosts with."""


class MigrationUnknown(SystemFault):
    """The host that may have begun the migration cannot be asked, so nobody may begin it elsewhere."""


class Abandoned(LostRace):
    """This worker stops here; the deploy goes on in another one's hands."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a deploy ended, in a word and a sentence."""

    status: Status
    reason: str = ""


def run(claim: DeployClaim) -> None:
    """Perform a claimed deploy, or carry on with one whose worker has died, up to its verdict.

    A failure and the rollback of the hosts already switched are written in one transaction; the rollback is an
    ordinary deploy, performed by whoever claims it. Raises LostRace when another worker has taken this one over.
    """
    deploy, abandoned = claim.deploy, threading.Event()
    with Fleet(partial(_open, deploy.environment)) as fleet, closing(Archive(deploy.release)) as archive:

        def abandon() -> None:
            abandoned.set()
            fleet.close()

        heart = Heartbeat(
            partial(lifecycle.renew, deploy),
            lease_seconds=LEASE_SECONDS,
            on_stop=lambda: abandon() if heart.lost.is_set() else None,
        )
        with heart:
            verdict = _verdict(claim, fleet, archive, Stops(heart.cancelled, abandoned, abandon))
            lifecycle.finish_deploy(deploy, verdict.status, verdict.reason)


@dataclass(frozen=True, slots=True)
class Stops:
    """The two ways in which a deploy ends early: a person's wish, and this worker's end."""

    cancelled: threading.Event
    abandoned: threading.Event
    abandon: Callable[[], None]


def _verdict(claim: DeployClaim, fleet: Fleet, archive: Archive, stops: Stops) -> Verdict:
    needles = needles_of(secret.value for secret in claim.deploy.environment.secrets.all())
    log = HostLog(claim.deploy, claim.deploy.log, needles)
    try:
        plan = _plan(claim, fleet, archive, stops, needles)
        verdict = _Performance(claim, plan, stops, log).verdict()
    except UserError as error:
        verdict = Verdict(Status.FAILED, masked(str(error), needles))
    except SystemFault as error:
        verdict = Verdict(Status.ERRORED, masked(str(error), needles))
    log.say(f"{verdict.status}: {verdict.reason}" if verdict.reason else verdict.status)
    return verdict


def _plan(claim: DeployClaim, fleet: Fleet, archive: Archive, stops: Stops, needles: frozenset[bytes]) -> Plan:
    deploy = claim.deploy
    spec = DeploySpec.from_json(deploy.release.deploy_spec)
    secrets = {secret.name: secret.value for secret in deploy.environment.secrets.all()}
    values = {name: str(value) for name, value in deploy.configuration.values.items()}
    return Plan(
        deploy=deploy,
        spec=spec,
        layout=Layout(spec.path, spec.shared),
        claim=Claim(deploy.pk, deploy.fence, f"{deploy.created_at.timestamp():.0f}"),
        archive=archive,
        environment_file=render_environment(values | secrets),
        needles=needles,
        fleet=fleet,
        cancelled=stops.cancelled.is_set,
        abandoned=stops.abandoned,
    )


class _Performance:
    """One deploy in the hands of one worker."""

    def __init__(self, claim: DeployClaim, plan: Plan, stops: Stops, log: HostLog) -> None:
        self._deploy, self._resumed = claim.deploy, claim.resumed
        self._plan, self._stops, self._log = plan, stops, log
        self._undoes = claim.deploy.undoes_id is not None
        self._lanes: list[Lane] = []
        self._migration_failed = False

    def verdict(self) -> Verdict:
        """The procedure."""
        self._lanes = self._freeze()
        migrator = self._first_open()
        self._each(self._lanes, Lane.prepare, UPLOADS_AT_ONCE)
        if not self._is_over:
            self._migrate(migrator)
        for number, wave in groupby(self._lanes, lambda lane: lane.row.wave):
            if not self._is_over:
                self._bring_over(number, list(wave))
        return self._judge()

    def _freeze(self) -> list[Lane]:
        """The hosts and their waves, as first written down; a takeover or a changed inventory does not change them."""
        deploy = self._deploy
        planned = () if deploy.hosts.exists() else _waves(deploy, self._plan.spec)
        rows = lifecycle.freeze(deploy, planned)
        verb = "goes on with" if self._resumed else "brings"
        names = ", ".join(row.host.name for row in rows)
        self._log.say(f"{deploy.kind} {deploy.number} {verb} release {self._plan.number} to {names}")
        keys = hostkeys.by_place(deploy.environment)
        return [Lane(self._plan, row, _target(deploy.environment, row, keys)) for row in rows]

    def _migrate(self, migrator: Lane | None) -> None:
        """Once per deploy, never on the way back, and never on a second host while the first may have begun."""
        if self._deploy.migrated_at or self._deploy.kind == DeployKind.ROLLBACK or not self._plan.spec.migrate:
            return
        if self._resumed and migrator is not None and not migrator.is_open:
            raise MigrationUnknown(
                f"{migrator.row.host.name} cannot be asked whether it has begun the migration: {migrator.row.reason}"
            )
        lane = self._first_open()
        if lane is None:
            return
        self._log.say(f"migrating, once, on {lane.row.host.name}")
        self._attempt(Lane.migrate, lane)
        if lane.is_open:
            lifecycle.note_migrated(self._deploy)
        else:
            self._migration_failed = True

    def _bring_over(self, number: int, wave: Sequence[Lane]) -> None:
        lanes = [lane for lane in wave if lane.is_open]
        if lanes:
            self._log.say(f"wave {number + 1}: {', '.join(lane.row.host.name for lane in lanes)}")
        self._each(lanes, Lane.bring_over, requests.caution(self._deploy).at_once)

    def _each(self, lanes: Sequence[Lane], verb: Callable[[Lane], None], at_once: int) -> None:
        """Join all, whatever happens on one of them; a host that has not begun when all is over is left alone."""
        answers = on_all(lanes, partial(self._in_thread, verb), at_once, self._stops.abandon)
        for error in answers:
            if isinstance(error, Exception):
                raise error

    def _in_thread(self, verb: Callable[[Lane], None], lane: Lane) -> None:
        try:
            if lane.is_open and not self._is_over:
                self._attempt(verb, lane)
        finally:
            connection.close()

    def _attempt(self, verb: Callable[[Lane], None], lane: Lane) -> None:
        """What goes wrong on a host is written down there; only what ends our own work is raised."""
        try:
            verb(lane)
        except (LostRace, *DATABASE_AWAY):
            raise
        except Exception as error:
            if self._stops.abandoned.is_set():
                raise Abandoned("this worker gives the deploy away") from error
            if not isinstance(error, PipelineError):
                logger.exception("%s broke", lane.row)
            lane.fail(error)

    @property
    def _is_over(self) -> bool:
        """Cancelled, given away, or beyond the budget. The way back goes on: every host that it reaches is better."""
        if self._stops.cancelled.is_set() or self._stops.abandoned.is_set() or self._migration_failed:
            return True
        return not self._undoes and self._decision is Decision.STOP

    @property
    def _decision(self) -> Decision:
        ended = [lane.row for lane in self._lanes if not lane.is_open]
        touched = [Status(row.status) for row in ended if not row.unreachable]
        return decide(touched, len(ended) - len(touched), requests.caution(self._deploy))

    def _first_open(self) -> Lane | None:
        return next((lane for lane in self._lanes if lane.is_open), None)

    def _judge(self) -> Verdict:
        if self._stops.abandoned.is_set():
            raise Abandoned("this worker gives the deploy away")
        rows = [lane.row for lane in self._lanes]
        bad = [row for row in rows if row.is_final and row.status != Status.SUCCEEDED]
        reason = _explained(rows, bad)
        if self._stops.cancelled.is_set() and len(bad) + sum(not row.is_final for row in rows):
            return Verdict(Status.CANCELLED, f"cancelled; {reason}")
        too_many = self._undoes or self._migration_failed or self._decision is Decision.STOP
        if bad and (too_many or len(bad) == len(rows)):
            return Verdict(worst(Status(row.status) for row in bad), reason)
        return Verdict(Status.SUCCEEDED, reason if bad else "")


def _waves(deploy: Deploy, spec: DeploySpec) -> Sequence[Sequence[Listed]]:
    """The way back goes to the hosts that were switched, the last of them first, all in one wave."""
    if deploy.undoes is not None:
        switched = deploy.undoes.hosts.filter(switched=True).select_related("host").order_by("-wave", "-pk")
        hosts = [row.host for row in switched]
        return [[Listed(host.name, host.address, host.external_id, host.port) for host in hosts]]
    environment = deploy.environment
    source = open_inventory(environment.inventory_kind, environment.inventory, environment.inventory_secret)
    listed = [Listed(found.name, found.address, found.external_id, found.port) for found in source.hosts()]
    return waves(spec.strategy, listed)


def _target(environment: Environment, row: HostDeploy, keys: hostkeys.ByPlace) -> Target:
    port = row.host.port or environment.ssh_port
    pinned = keys.get((row.host.address, port), [])
    known = tuple(HostKey(key.key_type, key.public_key) for key in pinned)
    return Target(Address(row.host.address, port, environment.ssh_user), known)


def _open(environment: Environment, target: Target) -> Connection:
    if environment.credential is None:
        raise NoCredential(f"{environment} has no SSH credential: choose one for it in the admin pages.")
    keys = target.host_keys
    if not keys and environment.host_key_policy == HostKeyPolicy.FIRST_USE:
        keys = (_pin_first(environment, target.address),)
    return connect(target.address, keys, load_key(environment.credential.private_key))


def _pin_first(environment: Environment, address: Address) -> HostKey:
    """The host's pinned key: what it shows when it is met first, and from then on what was pinned, also when the
    connection breaks and is opened anew within the same deploy."""
    shown = scan_host_key(address)
    key = hostkeys.pin_first(environment, address.host, address.port, shown.type, shown.base64, shown.fingerprint)
    return HostKey(key.key_type, key.public_key)


def _explained(rows: Sequence[HostDeploy], bad: Sequence[HostDeploy]) -> str:
    """How many hosts ended how, and why the first few of them."""
    switched = sum(row.switched for row in rows)
    lines = [f"{len(bad)} of {len(rows)} hosts did not come over, {switched} had been switched"]
    lines += [f"{row.host.name} {row.status}: {row.reason}" for row in bad[:HOSTS_EXPLAINED]]
    if len(bad) > HOSTS_EXPLAINED:
        lines.append(f"and {len(bad) - HOSTS_EXPLAINED} more")
    return "; ".join(lines)
