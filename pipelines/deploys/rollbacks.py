"""Bring an earlier release back."""

from django.db import transaction
from django.db.models import QuerySet

from pipelines.audit.record import record
from pipelines.deploys.models import Deploy, DeployKind, Environment, Release
from pipelines.deploys.releases import quarantine
from pipelines.deploys.requests import NotDeployable, insert
from pipelines.states.status import Status


def targets(environment: Environment) -> QuerySet[Release]:
    """Releases that ran well here and are neither live nor quarantined, newest first: the first is the button's."""
    ran = environment.deploys.filter(status=Status.SUCCEEDED).values("release")
    good = Release.objects.filter(pk__in=ran, quarantined_at=None)
    return good.exclude(live_in=environment).order_by("-number")


def roll_back(environment: Environment, to: Release, actor: str, why: str = "") -> Deploy:
    """Deploy `to` again, with the configuration it had, and quarantine what is live now.

    A second click while it waits or runs gives the same deploy. Raises NotDeployable when `to` is not among `targets`.
    """
    with transaction.atomic():
        environment.refresh_from_db()
        if not targets(environment).filter(pk=to.pk).exists():
            raise NotDeployable(f"release {to.number} is live, quarantined, or never ran well in {environment.name}")
        if environment.current:
            quarantine(environment.current, why or f"rolled back by {actor}")
        waiting = environment.deploys.filter(kind=DeployKind.ROLLBACK, release=to, finished_at=None).first()
        if waiting is not None:
            return waiting
        deploy = insert(environment, to, kind=DeployKind.ROLLBACK, actor=actor, why=why)
        record(actor, "asked to roll back", str(environment), reason=why, to_release=to.number)
    return deploy


def undo(failed: Deploy) -> Deploy | None:
    """The automatic rollback of a deploy that has just failed, in the transaction that wrote the failure.

    None when the environment does not ask for it, when no host was switched, or when nothing ran here before.
    """
    environment = failed.environment
    if not environment.rolls_back or failed.kind == DeployKind.ROLLBACK or environment.current is None:
        return None
    if not failed.hosts.filter(switched=True).exists():
        return None
    if failed.release != environment.current:  # else only its new configuration was bad
        quarantine(failed.release, f"deploy {failed.number} to {environment.name} failed")
    return insert(
        environment,
        environment.current,
        kind=DeployKind.ROLLBACK,
        why=f"deploy {failed.number} of release {failed.release.number} failed",
        undoes=failed,
    )
