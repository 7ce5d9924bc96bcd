"""Bring an earlier release back."""

from collections.abc import Iterable, Sequence

from django.db import transaction
from django.db.models import Case, F, QuerySet, When

from pipelines.audit.record import record
from pipelines.deploys.models import Deploy, DeployKind, Environment, HostDeploy, OnBreach, Release
from pipelines.deploys.releases import quarantine
from pipelines.deploys.requests import NotDeployable, insert
from pipelines.errors import UserError
from pipelines.states.status import Status


class UnderWay(UserError):
    """Something that has begun decides what will be live: cancel it or wait for its end, then roll back."""


def under_way(unfinished: Iterable[Deploy]) -> Deploy | None:
    """Of an environment's unfinished deploys the one that runs, or a rollback that waits: until its end nobody knows
    what there is to take back."""
    return next((one for one in unfinished if one.status == Status.RUNNING or one.kind == DeployKind.ROLLBACK), None)


def strays(environment: Environment) -> list[HostDeploy]:
    """The last switch of each host that may run something else than what is live, by name of the host.

    They come of a deploy, or of a way back, that failed or was cancelled between hosts. A deploy that ended well brings
    all home: whom it left behind, its budget allowed for. A way back brings home only the hosts that it went to.
    """
    ended_well = environment.deploys.filter(status=Status.SUCCEEDED)
    live = ended_well.filter(undoes=None).order_by("fence").last()
    if live is None:
        return []
    later = HostDeploy.objects.filter(deploy__environment=environment, deploy__fence__gt=live.fence)
    switches = later.filter(switched=True, host__gone_at=None).exclude(deploy__finished_at=None)
    last = {row.host_id: row for row in switches.select_related("host", "deploy__release").order_by("deploy__fence")}
    return sorted((row for row in last.values() if not _is_home(row, live)), key=lambda row: row.host.name)


def _is_home(row: HostDeploy, live: Deploy) -> bool:
    brought = (row.deploy.release_id, row.deploy.configuration_id)
    return row.status == Status.SUCCEEDED and brought == (live.release_id, live.configuration_id)


def proven(environment: Environment) -> QuerySet[Release]:
    """Releases that ran well here and are not quarantined."""
    ran = environment.deploys.filter(status=Status.SUCCEEDED).values("release")
    return Release.objects.filter(pk__in=ran, quarantined_at=None)


def targets(environment: Environment, astray: Sequence[HostDeploy]) -> QuerySet[Release]:
    """What can be gone back to: the first is the button's own choice. Newest first; the live release is among them only
    while hosts are astray (see `strays`), and then before all others."""
    good = proven(environment)
    if not astray:
        return good.exclude(live_in=environment).order_by("-number")
    live_first = Case(When(pk=environment.current_id, then=0), default=1)
    return good.order_by(live_first, "-number")


def taken_back(environment: Environment, to: Release, astray: Sequence[HostDeploy]) -> list[Release]:
    """What going to `to` leaves, and therefore quarantines: what is live, and what hosts astray may run instead."""
    broke = [row.deploy.release for row in astray]
    left = [*broke, environment.current] if environment.current else broke
    return sorted({release for release in left if release != to}, key=lambda release: release.number)


def roll_back(environment: Environment, to: Release, actor: str, why: str = "") -> Deploy:
    """Deploy `to` again, with the configuration it had, and quarantine what that takes back.

    A second click while it waits or runs gives the same deploy. Raises NotDeployable when `to` is not among `targets`,
    UnderWay while something else decides what will be live.
    """
    with transaction.atomic():
        # Writing the row first, as claims do, keeps every deploy of the environment from beginning until we commit.
        Environment.objects.filter(pk=environment.pk).update(fence=F("fence"))
        environment.refresh_from_db()
        astray = strays(environment)
        if not targets(environment, astray).filter(pk=to.pk).exists():
            raise NotDeployable(f"release {to.number} is live, quarantined, or never ran well in {environment.name}")
        other = under_way(environment.deploys.filter(finished_at=None).select_related("release").order_by("pk"))
        if other is not None and (other.kind, other.release) == (DeployKind.ROLLBACK, to):
            return other
        if other is not None:
            raise UnderWay(
                f"{other.kind} {other.number} of release {other.release.number} is under way: cancel it first"
            )
        for bad in taken_back(environment, to, astray):
            quarantine(bad, why or f"rolled back by {actor}")
        deploy = insert(environment, to, kind=DeployKind.ROLLBACK, actor=actor, why=why)
        record(actor, "asked to roll back", str(environment), reason=why, to_release=to.number)
    return deploy


def undo(failed: Deploy) -> Deploy | None:
    """The automatic rollback of a deploy that has just failed, in the transaction that wrote the failure.

    None when the environment did not ask for it as the deploy began, when no host was switched, or when nothing ran
    here before.
    """
    environment = failed.environment
    if failed.on_breach != OnBreach.ROLL_BACK or failed.kind == DeployKind.ROLLBACK or environment.current is None:
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
