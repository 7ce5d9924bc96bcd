"""People's words on a deploy that asks for them. Whether they may do such things in the project is asked before."""

from functools import partial

from django.contrib.auth.models import User
from django.db import transaction

from pipelines.audit.record import record
from pipelines.deploys.models import Deploy, DeployApproval
from pipelines.deploys.protection import gates
from pipelines.deploys.protection.agreements import missing, plan_of, why_not, words
from pipelines.deploys.settling import drop, fetch, hold, settle
from pipelines.errors import LostRace, UserError
from pipelines.runs.approvals import NotYours
from pipelines.states.signals import progressed

__all__ = ["NotYours", "approve", "plan_of", "refuse", "why_not", "words"]


def approve(deploy: Deploy, person: User, actor: str, plan: str) -> bool:
    """A person agrees to exactly the plan that they were shown; True when enough have. Twice is harmless.

    `actor` is the person as ledgers name them. Raises NotYours, LostRace when it does not wait any more, and UserError
    when its release, configuration or hosts are others than those of `plan`.
    """
    with transaction.atomic():
        fresh = _waiting(deploy, person)
        if plan_of(fresh) != plan:
            raise UserError(f"what {fresh} would change has changed since you looked: look at it again")
        _say(fresh, person, actor, plan, refused=False)
        record(actor, "approved", str(fresh), environment=fresh.environment.name, plan=plan)
        enough = missing(fresh, plan) == 0
        transaction.on_commit(partial(progressed.send_robust, Deploy, subject=fresh))
    settle(fresh.environment_id)
    return enough


def refuse(deploy: Deploy, person: User, actor: str, reason: str = "") -> None:
    """A person says no: the deploy is cancelled. Raises as `approve`."""
    with transaction.atomic():
        fresh = _waiting(deploy, person)
        _say(fresh, person, actor, plan_of(fresh), refused=True)
        record(actor, "refused", str(fresh), reason=reason, environment=fresh.environment.name)
        drop(fresh, f"refused by {actor}" + (f": {reason}" if reason else ""), actor)
    settle(fresh.environment_id)


def _waiting(deploy: Deploy, person: User) -> Deploy:
    """As it stands now, in a transaction in which nobody else begins it or gives their word."""
    hold(deploy.environment_id)
    fresh = fetch(deploy.pk)
    if fresh.is_final or fresh.started_at is not None:
        raise LostRace(f"{fresh} no longer waits for approval: it is {fresh.status}")
    if not gates.asks_people(fresh):
        raise UserError(f"{fresh} asks for no approval")
    if why := why_not(fresh, person):
        raise NotYours(f"{fresh}: {why}")
    return fresh


def _say(deploy: Deploy, person: User, actor: str, plan: str, *, refused: bool) -> None:
    """A word given again replaces the one before."""
    DeployApproval.objects.filter(deploy=deploy, person=person).delete()
    DeployApproval.objects.create(deploy=deploy, person=person, actor=actor, plan=plan, refused=refused)
