"""When an environment's hosts are next compared with the record, by one at a time, and what came of it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from pipelines.audit.record import record
from pipelines.deploys import announcements, flips, plans, queue
from pipelines.deploys.models import Deploy, DeployKind, Environment, Host, HostDeploy, Inspection
from pipelines.deploys.plans import Listed
from pipelines.deploys.protection import trials
from pipelines.deploys.requests import NotDeployable, insert
from pipelines.errors import LostRace
from pipelines.states import leases
from pipelines.states.status import Status

LEASE_SECONDS = 20
AGAIN = timedelta(hours=1)  # a host is not repaired by itself more often

NEW = "new"  # what differs of a host that has never been deployed to


@dataclass(frozen=True, slots=True)
class Finding:
    """What one host said. `why`: why it said nothing; then the rest is not known."""

    name: str
    why: str = ""
    drift: Sequence[Mapping[str, str]] = ()
    healthy: bool | None = None
    health_detail: str = ""
    answer_ms: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_new(self) -> bool:
        return any(one["what"] == NEW for one in self.drift)


@dataclass(slots=True)
class _News:
    """What is to be told of, by host."""

    drifted: dict[str, str] = field(default_factory=dict)
    ill: dict[str, str] = field(default_factory=dict)
    unreachable: dict[str, str] = field(default_factory=dict)
    mended: dict[str, str] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        kinds = ("drifted", "ill", "unreachable", "mended")
        return {kind: sorted(getattr(self, kind).items()) for kind in kinds if getattr(self, kind)}


def due(limit: int = 1) -> list[int]:
    """Ids of inspections to begin now, those that wait longest first; none while `limit` are under way.

    At most one of a project, so that no project's silent hosts keep those of others waiting. One question when nothing
    is due.
    """
    inspected = Environment.objects.exclude(inspect_seconds=0).exclude(current=None)
    waiting = inspected.filter(Q(inspection=None) | Q(inspection__due_at__lte=Now()))
    chosen = list(waiting.exclude(pk__in=_begun().values("environment")).values_list("pk", "inspection"))
    if not chosen:
        return []
    fresh = [Inspection(environment_id=pk) for pk, inspection in chosen if inspection is None]
    Inspection.objects.bulk_create(fresh, ignore_conflicts=True)
    under_way = Inspection.objects.filter(ended_at=None, fence__gt=0, due_at__gt=Now())
    busy = list(under_way.values_list("environment__project", flat=True))
    rows = Inspection.objects.filter(environment__in=[pk for pk, _ in chosen], due_at__lte=Now())
    waits_longest = dict[int, int]()
    for project, row in rows.order_by("due_at", "pk").values_list("environment__project", "pk"):
        if project not in busy:
            waits_longest.setdefault(project, row)
    return list(waits_longest.values())[: max(0, limit - len(busy))]


def claim(inspection_id: int) -> Inspection:
    """The right to inspect now. Raises LostRace when it is not due, another does it, or a deploy has begun there."""
    rows = Inspection.objects.filter(pk=inspection_id, due_at__lte=Now())
    rows = rows.exclude(environment__in=_begun().values("environment")).exclude(environment__inspect_seconds=0)
    if rows.update(due_at=leases.until(LEASE_SECONDS), fence=F("fence") + 1, ended_at=None) != 1:
        raise LostRace(f"inspection {inspection_id} is not due")
    return Inspection.objects.select_related("environment__project", "environment__current").get(pk=inspection_id)


def renew(inspection: Inspection) -> datetime | None:
    """Prolong the lease. Raises LostLease when it was not renewed in time and another has begun."""
    if _held(inspection).update(due_at=leases.until(LEASE_SECONDS)) != 1:
        raise leases.LostLease("another inspects these hosts already")
    return None


def fail(inspection: Inspection, why: str) -> None:
    """The hosts could not be listed or asked; nothing is changed. The page shows why until the next time."""
    _end(inspection, why)


def expected_configuration(host: Host) -> HostDeploy | None:
    """The deploy that last brought this host over: with its configuration the host should run."""
    rows = host.deploys.filter(status=Status.SUCCEEDED).select_related("deploy__configuration")
    return rows.order_by("finished_at").last()


def known_hosts(environment: Environment) -> dict[str, Host]:
    """By name, with the release that each is on."""
    return {host.name: host for host in environment.hosts.select_related("release__artifact")}


def conclude(inspection: Inspection, listed: Sequence[Listed], findings: Iterable[Finding]) -> Deploy | None:
    """Write what was found, tell what has changed, and bring or put right what is to be so by itself: that deploy.

    Raises LostRace, with nothing written, when a deploy has begun since: what was read is no longer true.
    """
    environment = inspection.environment
    with transaction.atomic():
        _hold(inspection)
        _note_listed(environment, listed)
        hosts = {host.name: host for host in environment.hosts.filter(gone_at=None)}
        news, wrong = _News(), []
        for finding in findings:
            if finding.name in hosts:
                _note(hosts[finding.name], finding, news, environment.adopts)
                is_idle = flips.is_idle(environment, hosts[finding.name])
                wrong += [finding] if finding.drift and not finding.why and not is_idle else []
        _note_ailing(environment)
        repair = _repair(environment, wrong)
        if facts := news.facts():
            announcements.notify(environment, announcements.INSPECTED, {**facts, "follows": _follows(repair)})
        _end(inspection, "")
    if repair is not None:
        queue.settle(environment.pk)
    return repair


def drifted(environment: Environment) -> list[str]:
    """Names of the hosts that differ from the record."""
    return list(environment.hosts.filter(gone_at=None).exclude(drift=[]).values_list("name", flat=True))


def repair(environment: Environment, names: Collection[str], actor: str, why: str = "") -> Deploy:
    """A person has these hosts put right: the live release once more. A second click gives the same deploy.

    Raises NotDeployable when nothing is live there, or a host is not known.
    """
    with transaction.atomic():
        Environment.objects.filter(pk=environment.pk).update(fence=F("fence"))
        environment.refresh_from_db()
        waiting = _unfinished_repairs(environment).order_by("pk").first()
        if waiting is not None and set(names) <= set(waiting.only or ()):
            return waiting
        known = set(environment.hosts.filter(gone_at=None, name__in=names).values_list("name", flat=True))
        if environment.current is None or not known or known != set(names):
            raise NotDeployable(f"nothing is live in {environment.name}, or it has no host {', '.join(sorted(names))}")
        why = why or f"{', '.join(sorted(names))} differed from the record"
        made = _insert(environment, sorted(names), actor, why)
    queue.settle(environment.pk)
    made.refresh_from_db()
    return made


def _begun() -> QuerySet[Deploy]:
    return Deploy.objects.exclude(started_at=None).filter(finished_at=None)


def _held(inspection: Inspection) -> QuerySet[Inspection]:
    return Inspection.objects.filter(pk=inspection.pk, fence=inspection.fence)


def _hold(inspection: Inspection) -> None:
    """The environment's row is written first, as claims do; its fence says whether a deploy has begun meanwhile."""
    environment = inspection.environment
    rows = Environment.objects.filter(pk=environment.pk, fence=environment.fence, current=environment.current)
    if rows.update(fence=F("fence")) != 1 or _begun().filter(environment=environment).exists():
        raise LostRace(f"a deploy to {environment} has begun since its hosts were asked")
    renew(inspection)


def _end(inspection: Inspection, error: str) -> None:
    again = leases.until(max(1, inspection.environment.inspect_seconds))
    _held(inspection).update(due_at=again, ended_at=timezone.now(), error=error)


def _note_listed(environment: Environment, listed: Sequence[Listed]) -> None:
    """Few that are gone are gone; of many that are missing the next deploy asks a person."""
    names = {one.name for one in listed}
    before = list(environment.hosts.filter(gone_at=None).values_list("name", flat=True))
    gone = sum(name not in names for name in before)
    plans.note_listed(environment, listed, is_whole=not plans.is_big_drop(environment, gone, len(before)))


def _note(host: Host, finding: Finding, news: _News, adopts: bool) -> None:
    now = timezone.now()
    facts = {name: value for name, value in host.facts.items() if name != "unreachable"}
    if finding.why:
        if "unreachable" not in host.facts:
            news.unreachable[host.name] = finding.why
        unknown = {"healthy": None, "health_detail": finding.why[:300], "answer_ms": None}
        facts["unreachable"] = finding.why[:300]
        Host.objects.filter(pk=host.pk).update(facts=facts, inspected_at=now, checked_at=now, **unknown)
        return
    _compare(host, finding, news, adopts)
    health: dict[str, Any] = {"answer_ms": finding.answer_ms, "checked_at": now}
    if finding.healthy is not None:
        health |= {"healthy": finding.healthy, "health_detail": finding.health_detail[:300]}
    elif "unreachable" in host.facts:
        health |= {"healthy": None, "health_detail": ""}
    fields = {"facts": {**facts, **finding.facts}, "drift": list(finding.drift), "inspected_at": now, **health}
    Host.objects.filter(pk=host.pk).update(**fields)


def _note_ailing(environment: Environment) -> None:
    """What has made live what is live is no longer known to have run well all the time."""
    live = environment.current
    if live and trials.ailing(live, environment) and (made_live := trials.brought(environment).last()):
        Deploy.objects.filter(pk=made_live.pk).update(ailed_at=timezone.now())


def _compare(host: Host, finding: Finding, news: _News, adopts: bool) -> None:
    """What a deploy has mended since was told with that deploy; and one that is brought in by itself is, when it is."""
    drift = [dict(one) for one in finding.drift]
    if drift and drift != host.drift and not (finding.is_new and adopts):
        news.drifted[host.name] = "; ".join(one["detail"] for one in drift)
    if finding.healthy is False and host.healthy is not False:
        news.ill[host.name] = finding.health_detail
    mended = ["answers again"] if "unreachable" in host.facts else []
    mended += ["as the record says"] if host.drift and not drift else []
    mended += ["healthy"] if finding.healthy and host.healthy is False else []
    if mended and not _brought_over_since(host):
        news.mended[host.name] = ", ".join(mended)


def _brought_over_since(host: Host) -> bool:
    return host.inspected_at is not None and host.deploys.filter(finished_at__gte=host.inspected_at).exists()


def _repair(environment: Environment, wrong: Sequence[Finding]) -> Deploy | None:
    """One deploy for all that need it, none while one is unfinished, and for no host again within the hour."""
    chosen = [one for one in wrong if (environment.adopts if one.is_new else environment.repairs)]
    live = environment.current
    if not chosen or live is None or live.quarantined_at or _unfinished_repairs(environment).exists():
        return None
    tried = _tried(environment)
    names = [one.name for one in chosen if one.name not in tried]
    if not names:
        return None
    appeared = [one.name for one in chosen if one.is_new and one.name in names]
    drifted = [name for name in names if name not in appeared]
    why = [f"{', '.join(appeared)} appeared"] if appeared else []
    why += [f"{', '.join(drifted)} differed from the record"] if drifted else []
    return _insert(environment, names, "", "; ".join(why))


def _insert(environment: Environment, names: Sequence[str], actor: str, why: str) -> Deploy:
    live = environment.current
    assert live is not None
    made = insert(environment, live, kind=DeployKind.REPAIR, actor=actor, why=why, only=list(names))
    record(actor, "asked to repair hosts", str(environment), reason=why, hosts=list(names), release=live.number)
    return made


def _unfinished_repairs(environment: Environment) -> QuerySet[Deploy]:
    return environment.deploys.filter(kind=DeployKind.REPAIR, finished_at=None)


def _tried(environment: Environment) -> set[str]:
    recent = environment.deploys.filter(kind=DeployKind.REPAIR, asked_by="", created_at__gt=timezone.now() - AGAIN)
    return {name for only in recent.values_list("only", flat=True) for name in only or ()}


def _follows(repair: Deploy | None) -> str:
    return f"deploy {repair.number} puts {', '.join(repair.only or ())} right" if repair else ""
