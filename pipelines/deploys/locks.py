"""A person keeps deploys away for a while, with a reason."""

from collections.abc import Iterator
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from pipelines.audit.record import record
from pipelines.deploys import settling
from pipelines.deploys.models import Environment, Lock, LockLevel
from pipelines.deploys.protection.holds import held as held
from pipelines.deploys.reasons import overrule
from pipelines.errors import LostRace, UserError
from pipelines.projects.models import Project


class BadLock(UserError):
    """A lock without a reason, or one that is over before it begins."""


def take(
    scope: Environment | Project | None,
    person: User | None,
    actor: str,
    reason: str,
    *,
    level: LockLevel = LockLevel.STOP,
    expires_at: datetime | None = None,
) -> Lock:
    """Keep deploys away from an environment, from all of a project, or, with None, from every one of the server.

    `actor` is the person as ledgers name them; without a person it is Slipway itself, as an alarm does. Raises BadLock.
    """
    for _, problem in problems(reason, expires_at):
        raise BadLock(problem)
    with transaction.atomic():
        lock = Lock.objects.create(
            project=scope if isinstance(scope, Project) else None,
            environment=scope if isinstance(scope, Environment) else None,
            level=level,
            reason=reason.strip()[:300],
            person=person,
            taken_by=actor,
            expires_at=expires_at,
        )
        until = expires_at.isoformat() if expires_at else ""
        record(actor, "locked", named(lock), reason=lock.reason, level=str(level), until=until)
    _settle(lock)
    return lock


def problems(reason: str, expires_at: datetime | None) -> Iterator[tuple[str, str]]:
    """What is wrong with a lock: the field and a sentence."""
    if not reason.strip():
        yield "reason", "A lock needs a reason: those whom it stops read it"
    if expires_at is not None and expires_at <= timezone.now():
        yield "expires_at", "A lock that is to end by itself ends in the future"


def release(lock: Lock, actor: str, why: str = "") -> None:
    """Let deploys in again. Of somebody else's lock it takes a reason, and people are told.

    Raises NoReason, and LostRace when it is released already.
    """
    with transaction.atomic():
        rows = Lock.objects.filter(pk=lock.pk, released_at=None)
        if rows.update(released_at=timezone.now(), released_by=actor) != 1:
            raise LostRace("this lock has been released already")
        did = f"released the lock of {lock.taken_by or 'Slipway itself'}"
        overrule(_concerned(lock), lock.taken_by, lock.reason, actor, did, why)
        record(actor, "unlocked", named(lock), reason=why, locked_by=lock.taken_by, because=lock.reason)
    _settle(lock)


def named(lock: Lock) -> str:
    """What it keeps deploys away from."""
    if lock.environment is not None:
        return str(lock.environment)
    return f"every environment of {lock.project}" if lock.project else "every environment"


def _concerned(lock: Lock) -> QuerySet[Environment]:
    places = Environment.objects.select_related("project").order_by("project", "pk")
    if lock.environment_id is not None:
        return places.filter(pk=lock.environment_id)
    return places.filter(project=lock.project) if lock.project else places


def _settle(lock: Lock) -> None:
    if lock.environment is not None:
        settling.tell([lock.environment])
        settling.settle(lock.environment.pk)
    else:
        places = Environment.objects.all()
        settling.tell(places if lock.project is None else places.filter(project=lock.project))
        settling.settle_all(lock.project)
