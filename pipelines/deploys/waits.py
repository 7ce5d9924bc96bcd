"""A deploy that waits holds no worker: how it comes to wait, and how it goes on."""

from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from pipelines.audit.record import record
from pipelines.deploys.fences import hold
from pipelines.deploys.models import Deploy, Waits
from pipelines.errors import LostRace, UserError
from pipelines.logs import store as logs
from pipelines.states import leases
from pipelines.states.signals import progressed
from pipelines.states.status import Status
from pipelines.states.transitions import transition as move


class NotWaiting(UserError):
    """The deploy does not wait for that; look at it again."""


class SetAside(LostRace):
    """The deploy waits, and this worker has nothing more to do with it."""


def wait(deploy: Deploy, waits_for: Waits, reason: str, until: datetime | None = None) -> bool:
    """running -> blocked, and the worker has it no more. Without `until` it waits for a person.

    It has begun, and so holds its environment. False when it has been cancelled meanwhile: its worker is to end it.
    Raises LostLease after a takeover.
    """
    with transaction.atomic():
        hold(deploy)
        if Deploy.objects.filter(pk=deploy.pk, cancel_requested_at=None).update(owner="") != 1:
            return False
        _block(deploy, waits_for, reason, waits_until=until)
    return True


def put_back(deploy: Deploy, waits_for: Waits, reason: str, **fields: Any) -> None:
    """running -> blocked as if it had never begun: nothing was touched. The environment is free for others.

    One that has been cancelled meanwhile ends here.
    """
    with transaction.atomic():
        hold(deploy)
        if Deploy.objects.filter(pk=deploy.pk, cancel_requested_at=None).update(owner="") == 1:
            _block(deploy, waits_for, reason, started_at=None, **fields)
        else:
            move(deploy, Status.CANCELLED, reason="cancelled before any host was touched")
            logs.close(deploy.log)


def stretch_of(deploy: Deploy) -> str:
    """Which wait it is in, so that a person's yes to one is not taken for the next; empty when it does not wait."""
    since = {Waits.BAKE: deploy.baked_waves, Waits.PAUSE: deploy.pause_requested_at}
    return f"{deploy.waits_for} {since.get(Waits(deploy.waits_for), '')}" if deploy.waits_for else ""


def go_on(deploy: Deploy, actor: str = "", seen: str | None = None) -> None:
    """blocked -> queued in its middle: its time has come or, with an actor, a person says so.

    A person who says so of a bake or a watch takes what is left of it as good, if it is the stretch that they have
    `seen`; None: whichever it is in. Raises NotWaiting, also for what a breach or missing hosts ask, for these want
    more than a yes.
    """
    with transaction.atomic():
        deploy = Deploy.objects.get(pk=deploy.pk)
        if seen is not None and seen != stretch_of(deploy):
            raise NotWaiting(f"{deploy} does not wait any more for what you saw: look again")
        if deploy.status != Status.BLOCKED or deploy.started_at is None or deploy.waits_for == Waits.BREACH:
            raise NotWaiting(f"{deploy} does not wait to go on: it is {deploy.status}")
        fields = _said(deploy) if actor else {}
        if actor:
            record(actor, "told to go on", str(deploy), waited_for=deploy.waits_for)
        move(deploy, Status.QUEUED, actor=actor, waits_for="", waits_until=None, **fields)


def accept_hosts(deploy: Deploy, actor: str, plan: str) -> None:
    """A person takes the hosts that were listed for all there are. Should the list change again, they are asked again.

    Raises NotWaiting, also when the hosts are others than those of `plan`, which the person was shown.
    """
    with transaction.atomic():
        deploy = Deploy.objects.get(pk=deploy.pk)
        if deploy.status != Status.BLOCKED or deploy.waits_for != Waits.HOSTS:
            raise NotWaiting(f"{deploy} does not ask about its hosts: it is {deploy.status}")
        if deploy.plan != plan:
            raise NotWaiting("the list of hosts has changed since you looked: look at it again")
        record(actor, "accepted the hosts", str(deploy), reason=deploy.reason)
        move(deploy, Status.QUEUED, actor=actor, waits_for="", waits_until=None, accepted_hosts=deploy.plan)


def pause(deploy: Deploy, actor: str) -> None:
    """Wait for a person before the next hosts are touched; those under way come to their end. Twice is harmless."""
    with transaction.atomic():
        asked = Deploy.objects.filter(pk=deploy.pk, finished_at=None, pause_requested_at=None)
        if asked.exclude(started_at=None).update(pause_requested_at=timezone.now()) == 1:
            record(actor, "paused", str(deploy))
            transaction.on_commit(partial(progressed.send_robust, Deploy, subject=deploy))


def due() -> list[int]:
    """Ids of the deploys whose time to go on has come."""
    waiting = Deploy.objects.filter(leases.passed("waits_until"), status=Status.BLOCKED).exclude(started_at=None)
    return list(waiting.order_by("waits_until").values_list("pk", flat=True))


def wake() -> None:
    """Let all that are due go on; whoever was moved by somebody else in this moment is left alone."""
    for deploy_id in due():
        with suppress(LostRace, NotWaiting):
            go_on(Deploy(pk=deploy_id))


def _block(deploy: Deploy, waits_for: Waits, reason: str, **fields: Any) -> None:
    move(deploy, Status.BLOCKED, reason=reason, waits_for=waits_for, owner="", lease_until=None, **fields)


def _said(deploy: Deploy) -> dict[str, Any]:
    """What a person's yes means, by what the deploy waits for."""
    if deploy.waits_for == Waits.BAKE:
        return {"baked_waves": deploy.baked_waves + 1}
    if deploy.waits_for == Waits.WATCH:
        return {"watched_until": deploy.started_at}  # a time before any look: none is wanted any more
    return {"pause_requested_at": None}
