"""An environment's queue: rows that wait for their turn, in an order, each with the reason why."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from pipelines.audit.record import record
from pipelines.deploys import announcements
from pipelines.deploys.models import Deploy, Environment, Waits
from pipelines.deploys.pace import usual_seconds
from pipelines.deploys.protection import gates
from pipelines.deploys.reasons import NoReason, need, overrule
from pipelines.deploys.settling import drop, fetch, hold, settle, settle_all, standings, tell, unsettled, waiting
from pipelines.errors import LostRace, UserError
from pipelines.outbox import queue as outbox
from pipelines.states.status import Status
from pipelines.states.transitions import transition as move

__all__ = [
    "NoReason",
    "Place",
    "drop",
    "first",
    "need",
    "note_override",
    "override",
    "pause",
    "places",
    "resume",
    "settle",
    "settle_all",
    "unsettled",
]

FIRST = 9  # the highest priority that a person gives: a rollback still goes before


@dataclass(frozen=True, slots=True)
class Place:
    """A deploy's place in line: 0 has begun, 1 is next. `why` it waits; `eta_seconds` until it begins, None when
    nobody knows."""

    deploy: Deploy
    position: int
    why: str
    eta_seconds: float | None


def places(environment: Environment) -> list[Place]:
    """What has begun there and what waits, in order; the times are worked out from what its deploys usually take."""
    now, usual = timezone.now(), usual_seconds(environment)
    begun = (
        environment.deploys.filter(finished_at=None).exclude(started_at=None).select_related("release", "environment")
    )
    running = [Place(deploy, 0, deploy.reason, 0.0) for deploy in begun]
    ahead = _left(running[0].deploy, usual, now) if running else 0.0
    return [*running, *_in_line(environment, [place.deploy for place in running], ahead, usual, now)]


def pause(environment: Environment, actor: str, because: str) -> None:
    """Nothing asked for goes there until somebody resumes; what has begun goes on, and a rollback is let through."""
    need(because, "Those who wait will ask why the queue is paused: give a reason")
    with transaction.atomic():
        rows = Environment.objects.filter(pk=environment.pk, paused_at=None)
        if rows.update(paused_at=timezone.now(), paused_by=actor, paused_because=because.strip()[:300]) != 1:
            raise LostRace(f"the queue of {environment.name} is paused already")
        record(actor, "paused the queue", str(environment), reason=because)
        tell([environment])
    settle(environment.pk)


def resume(environment: Environment, actor: str, why: str = "") -> None:
    """Who has not paused it gives a reason, and people are told. Raises NoReason; LostRace when it is not paused."""
    with transaction.atomic():
        hold(environment.pk)
        found = Environment.objects.select_related("project").get(pk=environment.pk)
        rows = Environment.objects.filter(pk=environment.pk, paused_at__isnull=False)
        if rows.update(paused_at=None, paused_by="", paused_because="") != 1:
            raise LostRace(f"the queue of {environment.name} is not paused")
        did = f"resumed the queue that {found.paused_by} had paused"
        overrule([found], found.paused_by, found.paused_because, actor, did, why)
        record(actor, "resumed the queue", str(environment), reason=why)
        tell([environment])
    settle(environment.pk)


def first(deploy: Deploy, actor: str, why: str) -> None:
    """Move a waiting deploy to the head of its queue, behind rollbacks alone. Raises LostRace when it has begun."""
    need(why, "Those who are overtaken will ask why: give a reason")
    with transaction.atomic():
        hold(deploy.environment_id)
        others = waiting().filter(environment=deploy.environment_id, priority__range=(1, FIRST))
        others.update(priority=F("priority") - 1)
        _write(deploy, priority=max(FIRST, fetch(deploy.pk).priority))
        record(actor, "put first", str(deploy), reason=why, environment=deploy.environment.name)
        tell([deploy.environment])
    settle(deploy.environment_id)


def override(deploy: Deploy, actor: str, why: str) -> None:
    """Let a waiting deploy pass what keeps it away, all of which the audit names; people are told.

    Whether they may is asked before. Raises LostRace when it has begun, NoReason, and UserError for a quarantine.
    """
    need(why, "An override needs a reason: it is written down with what it passes")
    with transaction.atomic():
        hold(deploy.environment_id)
        fresh = fetch(deploy.pk)
        if fresh.release.quarantined_at is not None:
            raise UserError(f"release {fresh.release.number} is quarantined: lift that first")
        _write(fresh, override=why.strip()[:300])
        note_override(fresh, actor)
        if fresh.status == Status.BLOCKED and fresh.waits_for != Waits.HOSTS:
            said = f"overridden by {actor}: {why}"
            told = move(fresh, Status.QUEUED, actor=actor, reason=said, waits_for="", waits_until=None)
            for channel in announcements.channels(fresh.environment):
                outbox.put(told, channel, announcements.OVERRIDDEN)
        tell([fresh.environment])
    settle(deploy.environment_id)


def note_override(deploy: Deploy, actor: str) -> None:
    """Write down, in the caller's transaction, who lets the deploy pass what; nothing for one without an override."""
    if deploy.override:
        passed = [refusal.reason for refusal in gates.overridden(deploy)]
        record(
            actor, "overrode", str(deploy), reason=deploy.override, environment=deploy.environment.name, passed=passed
        )


def _in_line(
    environment: Environment, before: list[Deploy], ahead: float | None, usual: float | None, now: datetime
) -> Iterator[Place]:
    """Those who wait for something besides their turn are passed by those who do not."""
    for position, one in enumerate(standings(environment.pk), 1):
        if one.refusal is None:
            why = f"after deploy {before[-1].number}" if before else ""
            yield Place(one.deploy, position, why, ahead)
            before.append(one.deploy)
            ahead = None if ahead is None or usual is None else ahead + usual
        else:
            opens = (one.refusal.until - now).total_seconds() if one.refusal.until else None
            eta = None if opens is None or ahead is None else max(opens, ahead)
            yield Place(one.deploy, position, one.refusal.reason, eta)


def _left(begun: Deploy, usual: float | None, now: datetime) -> float | None:
    """Seconds until what has begun ends, as its kind usually does; None for one that waits for a person."""
    if usual is None or begun.started_at is None or (begun.status == Status.BLOCKED and begun.waits_until is None):
        return None
    return max(0.0, usual - (now - begun.started_at).total_seconds())


def _write(deploy: Deploy, **fields: object) -> None:
    if waiting().filter(pk=deploy.pk).update(**fields) != 1:
        raise LostRace(f"{deploy} does not wait any more")
    for name, value in fields.items():
        setattr(deploy, name, value)
