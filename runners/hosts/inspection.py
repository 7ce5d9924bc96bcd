"""The story of one inspection: every host of an environment says what it runs, and is compared with the record."""

import hashlib
import logging
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from shlex import quote

from django.db import connection

from pipelines.deploys import hostkeys, inspections
from pipelines.deploys.inspections import NEW, Finding
from pipelines.deploys.models import Deploy, Environment, Host, Inspection, Release
from pipelines.deploys.plans import Listed
from pipelines.errors import LostRace, PipelineError, told
from pipelines.spec.installation import DeploySpec, ReleaseKind
from pipelines.states.leases import DATABASE_AWAY
from runners.heartbeat import Heartbeat
from runners.hosts import signin
from runners.hosts.health import HealthCheck
from runners.hosts.hostlist import list_hosts
from runners.hosts.scripts import reading
from runners.hosts.scripts.layout import Layout, layout_of, render_environment
from runners.hosts.scripts.reading import Expected, Reading
from runners.hosts.ssh.connection import CommandTimedOut, Connection
from runners.hosts.ssh.fleet import Fleet, Target, on_all
from runners.masking import masked, needles_of

logger = logging.getLogger(__name__)

HOSTS_AT_ONCE = 16
READING_SECONDS = 60
ALL_SECONDS = 120  # a fleet whose hosts are all silent is not waited for any longer
OUTPUT_BYTES_MAX = 256 * 1024


class NotAsked(PipelineError):
    """The time of the inspection was over before this host's turn; nothing is said of it."""


def inspect(inspection: Inspection) -> None:
    """Perform a claimed inspection. What is found is written in one transaction; a host that is out of reach, or hangs,
    does not keep the others. Raises LostRace when a deploy has begun meanwhile."""
    with Heartbeat(partial(inspections.renew, inspection), lease_seconds=inspections.LEASE_SECONDS):
        try:
            listed = list_hosts(inspection.environment)
        except PipelineError as error:
            inspections.fail(inspection, told(error))
            return
        inspections.conclude(inspection, listed, _findings(inspection.environment, listed))


def _findings(environment: Environment, listed: Sequence[Listed]) -> list[Finding]:
    known, keys = inspections.known_hosts(environment), hostkeys.by_place(environment)
    secret = {one.name: one.value for one in environment.secrets.all()}
    needles = needles_of(secret.values())
    visits = [_visit(environment, one, known.get(one.name), keys, secret) for one in listed]
    until = time.monotonic() + ALL_SECONDS
    entry = signin.Entry(environment, pins=False)  # what is met for the first time is for a deploy to pin
    with Fleet(entry.open, on_close=entry.close) as fleet:
        read = partial(_read_in_time, fleet, until)
        answers = on_all(visits, read, HOSTS_AT_ONCE, fleet.close)
    found = zip(visits, answers, strict=True)
    return [_finding(visit, answer, needles) for visit, answer in found if not isinstance(answer, NotAsked)]


@dataclass(frozen=True, slots=True)
class _Visit:
    """One host to be asked. `expected` is None where nothing was ever deployed, or nobody says what should be there."""

    name: str
    target: Target
    layout: Layout
    release: int
    expected: Expected | None
    question: HealthCheck | None
    may_be_new: bool


def _visit(
    environment: Environment, listed: Listed, host: Host | None, keys: hostkeys.ByPlace, secret: dict[str, str]
) -> _Visit:
    """A host of the group that is out of the traffic stays on what it has."""
    live = environment.current
    assert live is not None  # else it is not due
    idle = bool(environment.live_group and listed.group and listed.group != environment.live_group)
    wanted = host.release if idle and host is not None else live
    spec = DeploySpec.from_json((wanted or live).deploy_spec)
    layout = layout_of(spec)
    target = signin.target_at(environment, listed.address, listed.port, keys)
    is_known = host is not None and host.release is not None and wanted is not None
    expected = _expected(environment, host, wanted, spec, secret) if host and wanted and is_known else None
    question = _question(spec, layout, wanted or live, host) if is_known else None
    may_be_new = not idle and (not is_known or host is None or host.address != listed.address)
    return _Visit(listed.name, target, layout, (wanted or live).number, expected, question, may_be_new)


def _expected(
    environment: Environment, host: Host, release: Release, spec: DeploySpec, secret: dict[str, str]
) -> Expected:
    return Expected(
        release=release.number,
        digest=release.digest or release.sha,
        fence=environment.fence,
        environment=_digest_of_configuration(environment, host, release, secret),
        has_container=spec.kind is ReleaseKind.IMAGE,
    )


def _digest_of_configuration(environment: Environment, host: Host, release: Release, secret: dict[str, str]) -> str:
    """Empty when nobody can say: a secret has changed since, or the host was brought over by no deploy that ended."""
    brought = inspections.expected_configuration(host)
    if brought is None or brought.finished_at is None or brought.deploy.release_id != release.pk:
        return ""
    deploy: Deploy = brought.deploy
    if environment.secrets.filter(changed_at__gt=deploy.started_at or deploy.created_at).exists():
        return ""
    values = {name: str(value) for name, value in deploy.configuration.values.items()}
    return hashlib.sha256(render_environment(values | secret)).hexdigest()


def _question(spec: DeploySpec, layout: Layout, release: Release, host: Host | None) -> HealthCheck | None:
    health, facts = spec.health, host.facts if host is not None else {}
    if health is None:
        return None
    port = facts.get("port")
    if health.url:
        return HealthCheck(url=health.url.replace("$SLIPWAY_PORT", str(port or "")))
    loads = f"set -a\n[ ! -f {quote(layout.current)}/.env ] || . {quote(layout.current)}/.env\n"
    known = f"SLIPWAY_RELEASE={release.number:d} SLIPWAY_PORT={port or ''}\nset +a\n"
    return HealthCheck(command=f"{loads}{known}{health.command}", directory=layout.current)


def _read_in_time(fleet: Fleet, until: float, visit: _Visit) -> Reading:
    if time.monotonic() > until:
        raise NotAsked(f"{visit.name} was not asked: the inspection took too long")
    try:
        return _read(fleet.connect(visit.target), visit)
    finally:
        connection.close()


def _read(host: Connection, visit: _Visit) -> Reading:
    mark, pieces = f"slipway-reading-{secrets.token_hex(8)}", list[bytes]()
    script = reading.script(visit.layout, visit.release, visit.question, mark)
    try:
        host.run(script, deadline_seconds=READING_SECONDS, on_output=pieces.append, output_cap_bytes=OUTPUT_BYTES_MAX)
    except CommandTimedOut:
        if mark.encode() + b" health" not in b"".join(pieces):
            raise
    return reading.parse(b"".join(pieces).decode(errors="replace"), mark)


def _finding(visit: _Visit, answer: Reading | Exception, needles: frozenset[bytes]) -> Finding:
    if isinstance(answer, (LostRace, *DATABASE_AWAY)):
        raise answer
    if isinstance(answer, Exception):
        if not isinstance(answer, PipelineError):
            logger.error("%s could not be inspected", visit.name, exc_info=answer)
        return Finding(visit.name, why=masked(told(answer), needles))
    health = answer.health
    return Finding(
        visit.name,
        drift=_drift(visit, answer),
        healthy=health.good if health else None,
        health_detail=masked(health.detail, needles) if health else "",
        answer_ms=health.answer_ms if health else None,
        facts=answer.facts,
    )


def _drift(visit: _Visit, answer: Reading) -> Sequence[dict[str, str]]:
    if answer.is_blank and visit.may_be_new:
        return [{"what": NEW, "detail": "nothing was ever deployed to it"}]
    if visit.expected is None:
        return []
    return reading.differences(visit.expected, answer)
