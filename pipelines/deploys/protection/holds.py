"""Which locks are in force for an environment, and whom they stop."""

from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from pipelines.audit.actors import number_of
from pipelines.deploys.models import Deploy, DeployKind, Environment, Lock, LockLevel


def held(environment: Environment, at: datetime | None = None) -> list[Lock]:
    """The environment's own, its project's and the server's, the oldest first."""
    own = Q(environment=environment.pk)
    wider = Q(environment=None, project=environment.project_id) | Q(environment=None, project=None)
    unexpired = Q(expires_at=None) | Q(expires_at__gt=at or timezone.now())
    locks = Lock.objects.filter(own | wider, unexpired, released_at=None)
    return list(locks.select_related("environment__project", "project").order_by("pk"))


def stops(lock: Lock, deploy: Deploy) -> bool:
    """Whether the lock keeps this deploy away: its taker's own deploys it never does, at level warn those of nobody
    alone. One that Slipway takes when an alarm goes off leaves the way back open."""
    if not lock.taken_by and deploy.kind == DeployKind.ROLLBACK:
        return False
    asked_by = number_of(deploy.asked_by)
    if asked_by is not None and asked_by == lock.person_id:
        return False
    return lock.level == LockLevel.STOP or not deploy.asked_by
