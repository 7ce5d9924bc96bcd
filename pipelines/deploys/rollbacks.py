"""Bring an earlier release back."""

from collections.abc import Iterable, Sequence
from contextlib import suppress

from django.db import transaction
from django.db.models import Case, F, Q, QuerySet, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from pipelines.audit.record import record
from pipelines.deploys import endings, flips, queue, requests
from pipelines.deploys.models import Deploy, DeployKind, Environment, HostDeploy, OnBreach, Release, Waits
from pipelines.deploys.releases import quarantine
from pipelines.deploys.requests import FOLLOW_UP_PRIORITY, NotDeployable, insert
from pipelines.errors import LostRace, UserError
from pipelines.states.status import BAD, Status


class UnderWay(UserError):
    """Something that has begun decides what will be live: cancel it or wait for its end, then roll back."""


class Moved(UserError):
    """What is live is not what the person was shown; they have to look again."""


def under_way(unfinished: Iterable[Deploy]) -> Deploy | None:
    """Of an environment's unfinished deploys the one that has begun, or a rollback that waits: until its end nobody
    knows what there is to take back. One whose hosts are over or that waits for a person's answer is known."""
    waiting = [one for one in unfinished if not is_over(one)]
    return next((one for one in waiting if one.started_at is not None or one.kind == DeployKind.ROLLBACK), None)


def is_over(deploy: Deploy) -> bool:
    """It touches no more hosts by itself: it is watched, or asks whether it is to be brought back."""
    return deploy.status == Status.BLOCKED and deploy.waits_for in (Waits.WATCH, Waits.BREACH)


def strays(environment: Environment) -> list[HostDeploy]:
    """The last switch of each host that may run something else than what is live, by name of the host.

    They come of a deploy, or of a way back, that failed or was cancelled between hosts. A deploy that ended well brings
    all home: whom it left behind, its budget allowed for. A way back brings home only the hosts that it went to. Of two
    groups, hosts of the one without the traffic are not astray, whatever they run.
    """
    ended_well = environment.deploys.filter(status=Status.SUCCEEDED).exclude(kind=DeployKind.REPAIR)
    live = ended_well.exclude(undoes__isnull=False).order_by("fence").last()
    if live is None:
        return []
    later = HostDeploy.objects.filter(deploy__environment=environment, deploy__fence__gt=live.fence)
    over = Q(deploy__status=Status.BLOCKED, deploy__waits_for__in=(Waits.WATCH, Waits.BREACH))
    switches = later.filter(over | Q(deploy__finished_at__isnull=False), switched=True, host__gone_at=None)
    last = {row.host_id: row for row in switches.select_related("host", "deploy__release").order_by("deploy__fence")}
    astray = [row for row in last.values() if not _is_home(row, live) and flips.has_users(environment, row)]
    return sorted(astray, key=lambda row: row.host.name)


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


def spared(deploy: Deploy) -> list[int]:
    """Numbers of the releases that its hosts keep however many are newer: its own, what it replaces, and what the
    button goes back to once it is live."""
    way_back = proven(deploy.environment).exclude(pk=deploy.release_id).order_by("-number").first()
    return sorted({release.number for release in (deploy.release, deploy.replaces, way_back) if release})


def taken_back(environment: Environment, to: Release, astray: Sequence[HostDeploy]) -> list[Release]:
    """What going to `to` leaves, and therefore quarantines: what is live, and what hosts astray may run instead."""
    broke = [row.deploy.release for row in astray]
    left = [*broke, environment.current] if environment.current else broke
    return sorted({release for release in left if release != to}, key=lambda release: release.number)


def check_live(environment: Environment, seen: int | None) -> None:
    """Raises Moved when the environment runs another release than the person was shown, None for none."""
    live = environment.current.number if environment.current else None
    if seen != live:
        raise Moved(f"{environment.name} runs release {live} now, not {seen}: look again, then decide")


def roll_back(environment: Environment, to: Release, actor: str, why: str = "", *, override: str = "") -> Deploy:
    """Deploy `to` again, with the configuration it had, and quarantine what that takes back.

    A second click while it waits or runs gives the same deploy. Raises NotDeployable when `to` is not among `targets`,
    UnderWay while something else decides what will be live. It waits for locks, its person's own excepted; with an
    `override`, a reason, it does not.
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
        if (standing_by := _standing_by(environment)) is not None:
            return _back_to_machines(standing_by, to, actor, why)
        _end_what_is_over(environment, actor, why)
        for bad in taken_back(environment, to, astray):
            quarantine(bad, why or f"rolled back by {actor}")
        said = override.strip()[:300]
        way = flips.way_back(environment, to)
        deploy = insert(environment, to, kind=DeployKind.ROLLBACK, actor=actor, why=why, override=said, **way)
        record(actor, "asked to roll back", str(environment), reason=why, to_release=to.number)
        queue.note_override(deploy, actor)
    queue.settle(environment.pk)
    deploy.refresh_from_db()
    return deploy


def follow(ended: Deploy) -> Deploy | None:
    """What follows by itself on a deploy that has just ended, in the transaction that wrote the end; None: nothing."""
    if ended.goes_back_for:
        return go_back(ended, ended.goes_back_for, ended.goes_back_because)
    return undo(ended) if ended.status in BAD else None


def ask_to_go_back(deploy: Deploy, actor: str, why: str) -> Deploy:
    """Have the worker of a deploy that has begun stop it: whoever writes its end goes back as well.

    Raises LostRace when it has moved on.
    """
    as_known = Deploy.objects.filter(pk=deploy.pk, status=deploy.status)
    asked = Coalesce(F("cancel_requested_at"), timezone.now())
    if as_known.update(cancel_requested_at=asked, goes_back_for=actor, goes_back_because=why[:300]) != 1:
        raise LostRace(f"{deploy} is not {deploy.status} any more")
    deploy.refresh_from_db()
    requests.rouse(deploy, actor)
    return deploy


def go_back(ended: Deploy, actor: str, why: str) -> Deploy | None:
    """A person wanted it stopped and what was live back: that goes to the hosts that it has switched, if it has any.

    Had it succeeded before it could be stopped, this is a rollback like any other; should there be no way back to what
    it replaced, that is written down, and None returned.
    """
    why = why or f"{ended.kind} {ended.number} was stopped"
    if ended.status == Status.SUCCEEDED:
        with suppress(UserError):
            if ended.replaces is not None:
                return roll_back(ended.environment, ended.replaces, actor, why)
        record(actor, "found no way back", str(ended), reason=why)
        return None
    return _bring_home(ended, why, actor)


def undo(failed: Deploy) -> Deploy | None:
    """The automatic rollback of a deploy that has just failed, in the transaction that wrote the failure.

    None when the environment did not ask for it as the deploy began, when no host was switched, or when nothing ran
    here before. Of two groups the one that has the traffic was left alone: there is nothing to do before it is turned.
    Machines that were to replace others are gone by now, and the others serve.
    """
    if failed.on_breach != OnBreach.ROLL_BACK or failed.kind != DeployKind.DEPLOY:
        return None
    return _bring_home(failed, f"deploy {failed.number} of release {failed.release.number} failed")


def take_back(failed: Deploy, why: str, actor: str = "") -> Deploy:
    """What is live goes again to the hosts that a failed deploy has switched, before all that waits."""
    environment = failed.environment
    assert environment.current is not None
    _quarantine_failed(failed)
    return insert(
        environment,
        environment.current,
        kind=DeployKind.ROLLBACK,
        actor=actor,
        why=why,
        undoes=failed,
        priority=FOLLOW_UP_PRIORITY,
        **flips.way_back_of(failed),
    )


def switched_by(deploy: Deploy) -> list[HostDeploy]:
    """The last switch of each host by a deploy or by what it finishes, newest first."""
    chain = [deploy.pk]
    while deploy.continues is not None:
        deploy = deploy.continues
        chain.append(deploy.pk)
    rows = HostDeploy.objects.filter(deploy__in=chain, switched=True).select_related("host")
    last = {row.host_id: row for row in rows.order_by("deploy__fence")}
    return sorted(last.values(), key=lambda row: (row.deploy_id, row.wave, row.pk), reverse=True)


def _bring_home(ended: Deploy, why: str, actor: str = "") -> Deploy | None:
    """The way back of what ended badly, if there is anything to do on hosts; users may have met nothing of it."""
    switched = switched_by(ended)
    if ended.environment.current is None or not switched:
        return None
    if flips.left_users_alone(ended) or all(row.host.gone_at for row in switched):
        _quarantine_failed(ended)
        return None
    return take_back(ended, why, actor)


def _quarantine_failed(failed: Deploy) -> None:
    """What a rollback was to bring is known to be good; of what is live only the new configuration was bad."""
    if failed.kind == DeployKind.DEPLOY and failed.release != failed.environment.current:
        quarantine(failed.release, f"deploy {failed.number} to {failed.environment.name} failed")


def _standing_by(environment: Environment) -> Deploy | None:
    """A deploy whose new machines serve and are watched, while those that it replaces stand by."""
    unfinished = environment.deploys.filter(finished_at=None).select_related("release")
    return next((one for one in unfinished if is_over(one) and requests.replaces_machines(one)), None)


def _back_to_machines(deploy: Deploy, to: Release, actor: str, why: str) -> Deploy:
    """They get the traffic again, and no machine is started."""
    if to != deploy.environment.current:
        raise UnderWay(f"{deploy} still watches its new machines: cancel it first, or go back to what it replaced")
    record(actor, "asked to roll back", str(deploy.environment), reason=why, to_release=to.number)
    return ask_to_go_back(deploy, actor, why)


def _end_what_is_over(environment: Environment, actor: str, why: str) -> None:
    """A deploy that is watched, or asks, has its answer: a person takes it back."""
    for deploy in environment.deploys.filter(finished_at=None).select_related("log"):
        if is_over(deploy):
            endings.end(deploy, Status.FAILED, f"rolled back by {actor}{': ' if why else ''}{why}", actor=actor)
