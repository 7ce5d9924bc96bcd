"""What a person does with a deploy that goes wrong: stop it and go back, finish it, or bring its hosts back."""

from django.db import transaction
from django.db.models import F

from pipelines.audit.record import record
from pipelines.deploys import endings, flips, requests, rollbacks
from pipelines.deploys.models import Deploy, DeployKind, Environment, HostDeploy, Release, Waits
from pipelines.deploys.requests import FOLLOW_UP_PRIORITY, insert
from pipelines.deploys.waits import go_on as go_on
from pipelines.deploys.waits import pause as pause
from pipelines.errors import LostRace, UserError
from pipelines.states.status import BAD, Status
from pipelines.states.transitions import transition as move


class NoFollowUp(UserError):
    """This deploy can be neither finished nor brought back; the text says why."""


def finish_forward(deploy: Deploy, actor: str, why: str = "") -> Deploy:
    """Bring the hosts that are not done to the same release and configuration; those that are done are not touched.

    The deploy may ask what to do or have ended badly. One that asks and has nothing left to bring goes on itself, and
    what it was stopped for is taken as good. Raises NoFollowUp.
    """
    with transaction.atomic():
        if takes_as_good(held := _held(deploy)):
            return _take_as_good(held, actor, why)
        failed = _taken(deploy, actor, f"finished forward by {actor}")
        names = [row.host.name for row in not_done(failed)]
        if not names:
            raise NoFollowUp(f"every host of {failed} is done")
        following = insert(
            failed.environment,
            failed.release,
            kind=DeployKind(failed.kind),
            actor=actor,
            why=why or f"finishes deploy {failed.number}",
            configuration=failed.configuration,
            migrated_at=failed.migrated_at,
            only=names,
            continues=failed,
            priority=FOLLOW_UP_PRIORITY,
        )
        record(actor, "finished forward", str(failed), reason=why, hosts=names)
    return following


def bring_back(deploy: Deploy, actor: str, why: str = "") -> Deploy:
    """What is live goes again to the hosts that the deploy has switched; its release is quarantined.

    The deploy may wait in its middle, for whatever it is, or have ended badly. Raises NoFollowUp.
    """
    with transaction.atomic():
        held = _held(deploy)
        if _waits(held, back=True) and requests.replaces_machines(held):
            return _abort(held, actor, why)
        failed = _taken(deploy, actor, f"brought back by {actor}", back=True)
        if failed.environment.current is None:
            raise NoFollowUp(f"nothing has run well in {failed.environment.name} that could be brought back")
        switched = [row.host.name for row in rollbacks.switched_by(failed)]
        if not switched:
            raise NoFollowUp(f"{failed} has switched no host")
        following = rollbacks.take_back(failed, why or f"brings back deploy {failed.number}", actor)
        record(actor, "brought back", str(failed), reason=why, hosts=switched)
    return following


def abort(deploy: Deploy, actor: str, why: str = "") -> Deploy:
    """Stop the deploy, and bring what was live back to the hosts that it has switched, in one go.

    One that runs is asked to stop: whoever writes its end queues the way back with it. Gives the deploy that follows,
    or this one while it stops or when no host was switched. Twice is harmless. Raises NoFollowUp, and what a rollback
    raises when it has succeeded in this moment.
    """
    while True:
        try:
            with transaction.atomic():
                return _abort(_held(deploy), actor, why)
        except LostRace:
            continue  # its worker let it wait in this moment: look again


def takes_as_good(deploy: Deploy) -> bool:
    """Whether it asks although every host is done: then finishing it forward is a person's word that all is well."""
    asks = deploy.status == Status.BLOCKED and deploy.waits_for == Waits.BREACH
    return asks and not deploy.hosts.exclude(status=Status.SUCCEEDED).exists()


def goes_back_to(deploy: Deploy) -> Release | None:
    """What stopping this deploy and going back would bring back; None when there is nothing, or it has not begun."""
    is_new = deploy.kind == DeployKind.DEPLOY and deploy.started_at is not None
    return deploy.environment.current if is_new and not deploy.is_final else None


def why_not(deploy: Deploy, *, back: bool = False) -> str:
    """Why this deploy cannot be finished forward or, with `back`, be brought back; empty when it can."""
    if deploy.status != Status.CANCELLED and deploy.status not in BAD and not _waits(deploy, back):
        return f"it is {deploy.status}"
    if deploy.started_at is None or deploy.kind == DeployKind.REPAIR:
        return "it has touched no host" if deploy.started_at is None else "it was a repair: ask for another one"
    later = deploy.environment.deploys.exclude(started_at=None).filter(fence__gt=deploy.fence)
    if later.exists() or hasattr(deploy, "continued_by") or hasattr(deploy, "undone_by"):
        return "another deploy has followed on it"
    if not back:
        return _why_not_forward(deploy)
    return "it is a rollback itself: finish it, or roll back to another" if deploy.kind == DeployKind.ROLLBACK else ""


def _why_not_forward(deploy: Deploy) -> str:
    """What has not begun on any host is asked for again, and so passes all that keeps deploys away."""
    if deploy.release.quarantined_at is not None:
        return f"release {deploy.release.number} is quarantined: {deploy.release.quarantined_because}"
    return "" if rollbacks.switched_by(deploy) else "it has switched no host: ask for another one"


def not_done(deploy: Deploy) -> list[HostDeploy]:
    rows = deploy.hosts.exclude(status=Status.SUCCEEDED).filter(host__gone_at=None)
    return list(rows.select_related("host").order_by("wave", "host__name"))


def _taken(deploy: Deploy, actor: str, reason: str, *, back: bool = False) -> Deploy:
    """The deploy, ended in this transaction if it asks."""
    failed = _held(deploy)
    if because := why_not(failed, back=back):
        raise NoFollowUp(f"nothing can follow on {failed}: {because}")
    if not failed.is_final:
        said = f"{failed.reason}; {reason}" if failed.waits_for == Waits.BREACH else reason
        endings.end(failed, Status.FAILED, said, actor=actor)
    return failed


def _abort(deploy: Deploy, actor: str, why: str) -> Deploy:
    if deploy.kind != DeployKind.DEPLOY or deploy.environment.current is None:
        is_way = deploy.kind != DeployKind.DEPLOY
        raise NoFollowUp(f"{deploy} {'is no new release' if is_way else 'has replaced nothing'}: cancel it")
    if deploy.is_final:
        return _gone_back(deploy, actor, why)
    if deploy.goes_back_for:
        return deploy
    record(actor, "stopped, to go back", str(deploy), reason=why, to_release=deploy.environment.current.number)
    if deploy.status == Status.RUNNING or (deploy.started_at is not None and requests.replaces_machines(deploy)):
        return rollbacks.ask_to_go_back(deploy, actor, why)
    requests.cancel(deploy, actor, why)
    deploy.refresh_from_db()
    return deploy if deploy.started_at is None else rollbacks.go_back(deploy, actor, why) or deploy


def _gone_back(deploy: Deploy, actor: str, why: str) -> Deploy:
    """The click came when it had ended."""
    if deploy.status == Status.SUCCEEDED:
        if deploy.replaces is None or deploy.environment.current != deploy.release:
            raise NoFollowUp(f"{deploy} has replaced nothing, or is not what is live any more")
        return rollbacks.roll_back(deploy.environment, deploy.replaces, actor, why)
    if hasattr(deploy, "undone_by"):
        return deploy.undone_by
    return bring_back(deploy, actor, why)


def _take_as_good(deploy: Deploy, actor: str, why: str) -> Deploy:
    """Traffic that could not be turned is turned first, and what comes after that is not passed."""
    record(actor, "took as good", str(deploy), reason=why, stopped_for=deploy.reason)
    is_left = flips.turns(deploy) and not flips.has_turned(deploy, "done")
    fields = {} if is_left else {"watched_until": deploy.started_at}
    move(deploy, Status.QUEUED, actor=actor, reason=why, waits_for="", waits_until=None, **fields)
    return deploy


def _held(deploy: Deploy) -> Deploy:
    """As it stands now. Writing the environment's row first keeps others from beginning until we commit."""
    Environment.objects.filter(pk=deploy.environment_id).update(fence=F("fence"))
    found = Deploy.objects.select_related("environment__project", "environment__current", "release", "replaces", "log")
    return found.get(pk=deploy.pk)


def _waits(deploy: Deploy, back: bool) -> bool:
    """Only one that asks is finished forward: any other that waits goes on by itself, or by a yes."""
    waits_in_its_middle = deploy.status == Status.BLOCKED and deploy.started_at is not None
    return waits_in_its_middle and (back or deploy.waits_for == Waits.BREACH)
