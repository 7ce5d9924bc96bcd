"""The proof that a deploy is still in the hands of the worker that writes."""

from django.db import transaction

from pipelines.audit.record import record
from pipelines.deploys.models import Deploy, Environment
from pipelines.states import leases
from pipelines.states.status import Status

LEASE_SECONDS = 6


def hold(deploy: Deploy) -> None:
    """Prolong the worker's lease, in the transaction of what it writes. Raises LostLease when it is no longer its."""
    leases.renew(Deploy.objects.filter(pk=deploy.pk, status=Status.RUNNING), deploy.fence, LEASE_SECONDS)


def token_of(deploy: Deploy) -> str:
    """Tells a deploy from one that had its number before the database was made anew."""
    return f"{deploy.created_at.timestamp():.0f}"


def catch_up(deploy: Deploy, seen: int, taker: str) -> bool:
    """Give out higher fences than one that this server has given out and does not know of, as its database was
    restored since: true. False if `taker`, which is `<deploy>-<token>` or the first alone, is a deploy that it knows.

    The deploy has to be claimed again then. Raises LostLease after a takeover.
    """
    number, _, token = taker.partition("-")
    known = Deploy.objects.filter(pk=number).first() if number.isdecimal() else None
    if known is not None and token_of(known) == token:
        return False
    with transaction.atomic():
        raised = Environment.objects.filter(pk=deploy.environment_id, fence__lt=seen).update(fence=seen)
        hold(deploy)
        if raised:
            reason = "a host has seen a higher fence of this server: its database was restored since"
            record("", "raised the fence", str(deploy.environment), reason=reason, fence=seen, taker=taker)
    return True
