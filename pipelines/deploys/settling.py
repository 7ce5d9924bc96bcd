"""What follows from where an environment's waiting deploys stand: who may begin, who waits for what, who goes."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from pipelines.deploys import announcements
from pipelines.deploys.models import Deploy, DeployKind, Environment, Release, Waits
from pipelines.deploys.protection import gates
from pipelines.deploys.protection.gates import Refusal
from pipelines.errors import LostRace
from pipelines.logs import store as logs
from pipelines.projects.models import Project
from pipelines.states.signals import progressed
from pipelines.states.status import Status
from pipelines.states.transitions import transition as move

Change = Callable[[], None]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """A waiting deploy and what keeps it from beginning, if anything does."""

    deploy: Deploy
    refusal: Refusal | None


def settle(environment_id: int) -> None:
    """Block what may not begin, queue what may, cancel what never will or is superseded.

    Idempotent; of several callers at once each does what the others have not done. Where nothing changes it only
    reads.
    """
    while next(_changes(environment_id), None):
        try:
            with transaction.atomic():
                hold(environment_id)
                for change in list(_changes(environment_id)):
                    change()
            return
        except LostRace:
            continue  # somebody moved one of them first: look at what is left


def settle_all(project: Project | None = None) -> None:
    """Wherever something waits; one question when nothing does. What fails with one environment is logged, and does not
    keep the others."""
    for environment_id in unsettled(project):
        try:
            settle(environment_id)
        except Exception:
            logger.exception("the queue of environment %s cannot be settled and will be tried again", environment_id)


def unsettled(project: Project | None = None) -> list[int]:
    """Ids of the environments where something waits: of one project, or of all. One query."""
    rows = waiting() if project is None else waiting().filter(environment__project=project)
    return list(rows.order_by("environment").values_list("environment", flat=True).distinct())


def hold(environment_id: int) -> None:
    """Write the environment's row, as claims do: until the commit nothing of it begins, and nobody else settles it."""
    Environment.objects.filter(pk=environment_id).update(fence=F("fence"))


def tell(environments: Iterable[Environment]) -> None:
    """Something besides deploys has changed there: whoever watches looks again, after the commit."""
    for environment in environments:
        transaction.on_commit(partial(progressed.send_robust, Environment, subject=environment))


def drop(deploy: Deploy, reason: str, actor: str = "") -> None:
    """End a deploy that has not begun, in the caller's transaction. Raises LostRace when it has."""
    move(deploy, Status.CANCELLED, actor=actor, reason=reason, waits_for="", waits_until=None)
    logs.close(deploy.log)


def fetch(deploy_id: int) -> Deploy:
    """A deploy with all that gates look at, as it stands now."""
    return _whole(Deploy.objects.filter(pk=deploy_id)).get()


def waiting() -> QuerySet[Deploy]:
    """All that have neither begun nor ended."""
    return Deploy.objects.filter(started_at=None, finished_at=None)


def standings(environment_id: int) -> list[Standing]:
    """What waits there, in the order in which it will be taken."""
    rows = _whole(waiting().filter(environment=environment_id)).order_by("-priority", "pk")
    at = timezone.now()
    return [Standing(deploy, gates.why_not(deploy, at)) for deploy in rows]


def _whole(rows: QuerySet[Deploy]) -> QuerySet[Deploy]:
    environment = ("environment__project", "environment__current", "environment__after", "environment__approver_team")
    return rows.select_related(*environment, "release__artifact", "configuration", "log")


def _changes(environment_id: int) -> Iterator[Change]:
    """What is to be done now, each as a call in a transaction."""
    standing = standings(environment_id)
    begun = Deploy.objects.filter(environment=environment_id, finished_at=None).exclude(started_at=None)
    under_way = list(begun.select_related("release")) if any(one.deploy.automatic for one in standing) else []
    for one in standing:
        if newer := _superseded_by(one, standing, under_way):
            yield partial(drop, one.deploy, f"superseded by release {newer}")
        elif change := _change(one):
            yield change


def _change(one: Standing) -> Change | None:
    deploy, refusal = one.deploy, one.refusal
    if refusal is not None and refusal.waits_for is None:
        return partial(drop, deploy, refusal.reason)
    if deploy.waits_for == Waits.HOSTS:  # of a person who is shown the hosts, and says yes to them
        return None
    if refusal is None:
        return None if deploy.status == Status.QUEUED else partial(_open, deploy)
    if deploy.status != Status.BLOCKED:
        return partial(_block, deploy, refusal)
    told = (deploy.waits_for, deploy.reason, deploy.waits_until)
    return None if told == (refusal.waits_for, refusal.reason, refusal.until) else partial(_reword, deploy, refusal)


def _open(deploy: Deploy) -> None:
    move(deploy, Status.QUEUED, waits_for="", waits_until=None)


def _block(deploy: Deploy, refusal: Refusal) -> None:
    move(deploy, Status.BLOCKED, reason=refusal.reason, waits_for=refusal.waits_for, waits_until=refusal.until)


def _reword(deploy: Deploy, refusal: Refusal) -> None:
    """It stays blocked, for another reason now."""
    row = waiting().filter(pk=deploy.pk, status=Status.BLOCKED)
    if row.update(waits_for=refusal.waits_for, reason=refusal.reason, waits_until=refusal.until) != 1:
        raise LostRace(f"{deploy} is no longer blocked")
    deploy.refresh_from_db(fields=["waits_for", "reason", "waits_until"])
    announcements.asks(deploy)
    transaction.on_commit(partial(progressed.send_robust, Deploy, subject=deploy))


def _superseded_by(one: Standing, standing: Sequence[Standing], begun: Sequence[Deploy]) -> int | None:
    """The number of a newer release of the same ref that the rule takes as well, or that is live already.

    One that still waits for the environment before it, or for people to agree, sends nobody away who waits for that no
    more: pushes that come faster than they are tried and agreed to would keep everything away for ever.
    """
    deploy = one.deploy
    is_ordinary = deploy.automatic and deploy.kind == DeployKind.DEPLOY and not (deploy.override or deploy.priority)
    if not is_ordinary or not deploy.environment.supersedes:
        return None
    rivals = [other for other in standing if other.deploy.automatic and _is_newer(other.deploy.release, deploy)]
    newer = [other.deploy.release for other in rivals if _overtakes(other, one)]
    newer += [other.release for other in begun if other.automatic and _is_newer(other.release, deploy)]
    live = deploy.environment.current
    newer += [live] if live and _is_newer(live, deploy) else []
    return max((release.number for release in newer), default=None)


def _is_newer(release: Release, deploy: Deploy) -> bool:
    return release.ref == deploy.release.ref and release.number > deploy.release.number


def _overtakes(newer: Standing, older: Standing) -> bool:
    """Whether whatever keeps back the newer release keeps back the older one as well, which is not being tried."""
    if newer.refusal is None or newer.refusal.waits_for is None:
        return newer.refusal is None
    kept = {one.waits_for for one in gates.own_refusals(older.deploy) if one.waits_for != Waits.BEFORE or not one.until}
    return kept.issuperset(one.waits_for for one in gates.own_refusals(newer.deploy))
