"""What keeps a deploy from beginning: asked when its queue is settled, and again when a worker claims it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from pipelines.deploys.models import Deploy, DeployKind, Environment, Waits
from pipelines.deploys.protection import agreements, freezes, holds, outcomes, trials
from pipelines.deploys.protection.trials import Trial
from pipelines.spec.cron import zone_named
from pipelines.states.status import Status


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a deploy may not begin. `waits_for` None: it never may, and is to be cancelled. `until`: when it may by
    itself; None when nobody knows."""

    waits_for: Waits | None
    reason: str
    until: datetime | None = None


Gate = Callable[[Deploy, datetime], Refusal | None]


def why_not(deploy: Deploy, at: datetime | None = None) -> Refusal | None:
    """The first thing that keeps the deploy from beginning; None when it may. `at` is now, if not given."""
    return next(refusals(deploy, at), None)


def refusals(deploy: Deploy, at: datetime | None = None) -> Iterator[Refusal]:
    """All that keeps it from beginning, in the order in which a person would have to remove it."""
    return _asked(_unpassed(deploy), deploy, at)


def own_refusals(deploy: Deploy, at: datetime | None = None) -> list[Refusal]:
    """What keeps back this very release, however free its environment is for others."""
    return list(_asked([gate for gate in _unpassed(deploy) if gate in (_before, _approval)], deploy, at))


def asks_people(deploy: Deploy) -> bool:
    """Whether it takes people's words for this deploy to begin: for most it does where the environment says so."""
    return bool(deploy.environment.approvals) and _approval in _unpassed(deploy)


def overridden(deploy: Deploy, at: datetime | None = None) -> Iterator[Refusal]:
    """What an override lets the deploy pass now: all but a quarantine."""
    return _asked([gate for gate in _gates(deploy) if gate is not _quarantine], deploy, at)


def disagreement(deploy: Deploy, plan: str) -> Refusal | None:
    """Why a deploy that asks for approval may not go by `plan`, which may be another than was agreed to."""
    return _approval_of(deploy, plan) if _approval in _unpassed(deploy) else None


def _asked(gates: Iterable[Gate], deploy: Deploy, at: datetime | None) -> Iterator[Refusal]:
    moment = at or timezone.now()
    for gate in gates:
        if found := gate(deploy, moment):
            yield found


def _unpassed(deploy: Deploy) -> tuple[Gate, ...]:
    """Those that it does not pass, whatever they say."""
    return (_quarantine,) if deploy.override else _gates(deploy)


def _gates(deploy: Deploy) -> tuple[Gate, ...]:
    """What takes back what has begun passes them all, what finishes it all but a quarantine; a rollback only respects
    locks, a repair whatever holds its environment."""
    if deploy.undoes_id is not None:
        return ()
    if deploy.continues_id is not None:
        return (_quarantine, _migration)
    if deploy.kind == DeployKind.ROLLBACK:
        return (_quarantine, _lock)
    if deploy.kind == DeployKind.REPAIR:
        return (_quarantine, _pause, _lock, _freeze)
    return (_quarantine, _migration, _pause, _lock, _freeze, _before, _approval)


def _quarantine(deploy: Deploy, _: datetime) -> Refusal | None:
    release = deploy.release
    if release.quarantined_at is None:
        return None
    return Refusal(None, f"release {release.number} is quarantined: {release.quarantined_because}")


def _migration(deploy: Deploy, _: datetime) -> Refusal | None:
    """What is begun twice at once, or over a half of itself, may destroy what there is: a person looks before."""
    if not deploy.release.deploy_spec.get("migrate") or deploy.migrated_at:
        return None
    begun = outcomes.unknown(deploy.environment).exclude(finished_at=None).first()
    if begun is None or begun.migration_begun_at is None:
        return None
    return Refusal(
        Waits.MIGRATION,
        f"nobody knows how the migration of deploy {begun.number} ended, which began at"
        f" {begun.migration_begun_at:%Y-%m-%d %H:%M} UTC: see on the host whether it still runs and what it did, then"
        " deploy in spite of it and say what you found",
    )


def _pause(deploy: Deploy, _: datetime) -> Refusal | None:
    place = deploy.environment
    if place.paused_at is None:
        return None
    return Refusal(Waits.PAUSED, f"the queue was paused by {place.paused_by}: {place.paused_because}")


def _lock(deploy: Deploy, at: datetime) -> Refusal | None:
    stopping = [lock for lock in holds.held(deploy.environment, at) if holds.stops(lock, deploy)]
    if not stopping:
        return None
    ends = [lock.expires_at for lock in stopping]
    until = None if None in ends else max(end for end in ends if end)
    return Refusal(Waits.LOCK, f"locked by {stopping[0].taken_by or 'Slipway'}: {stopping[0].reason}", until)


def _freeze(deploy: Deploy, at: datetime) -> Refusal | None:
    frozen = freezes.in_force(deploy.environment, at)
    if not frozen:
        return None
    freeze, until = frozen[0]
    clock = until.astimezone(zone_named(freeze.timezone))
    return Refusal(Waits.FREEZE, f"frozen until {clock:%a %Y-%m-%d %H:%M} {freeze.timezone}: {freeze.name}", until)


def _before(deploy: Deploy, at: datetime) -> Refusal | None:
    """The environment before it must have run this very release long enough."""
    before = deploy.environment.after
    if before is None:
        return None
    trial = trials.of(deploy.release, before, at)
    needed = timedelta(seconds=deploy.environment.after_seconds)
    if trial.ran is not None and trial.ran >= needed and not trial.ailing:
        return None
    if deploy.automatic and trial.failed:
        ended = "was cancelled" if trial.failed.status == Status.CANCELLED else trial.failed.status
        return Refusal(None, f"release {deploy.release.number} {ended} in {before.name}")
    return Refusal(Waits.BEFORE, *_short_of(deploy, before, trial, needed))


def _short_of(deploy: Deploy, place: Environment, trial: Trial, needed: timedelta) -> tuple[str, datetime | None]:
    """In words what is missing, and when it no longer will be."""
    number, since = deploy.release.number, trial.well_since
    must = f"; it must for {_length(needed)}" if needed else ""
    if trial.ailing:
        return f"{place.name} runs release {number}, but {trial.ailing} is not healthy there", None
    if since is not None:
        return f"{place.name} runs release {number} well since {since:%Y-%m-%d %H:%M} UTC{must}", since + needed
    if trial.ran is not None:
        return f"{place.name} ran release {number} well for {_length(trial.ran)} only{must}", None
    return f"{place.name} has not run release {number}{must or ' yet'}", None


def _approval(deploy: Deploy, _: datetime) -> Refusal | None:
    return _approval_of(deploy, agreements.plan_of(deploy)) if deploy.environment.approvals else None


def _approval_of(deploy: Deploy, plan: str) -> Refusal | None:
    wanted, missing = deploy.environment.approvals, agreements.missing(deploy, plan)
    if not missing:
        return None
    team = deploy.environment.approver_team
    whose = f" of {team.name}" if team else ""
    people = "1 person" if wanted == 1 else f"{wanted} people"
    return Refusal(Waits.APPROVAL, f"{wanted - missing} of {people}{whose} have agreed")


def _length(time: timedelta) -> str:
    minutes, seconds = divmod(int(time.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{hours} h" if hours else "", f"{minutes} min" if minutes else "", f"{seconds} s" if seconds else ""]
    return " ".join(part for part in parts if part) or "0 s"
