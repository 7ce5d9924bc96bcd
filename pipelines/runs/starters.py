"""Who has started runs: by the code host's number of whoever pushed, and by our own of whoever asked."""

from collections.abc import Iterable

from django.contrib.auth.models import User

from pipelines.audit.actors import number_of
from pipelines.runs.models import Event, EventKind, Identity, Run

Pusher = tuple[str, int | None]
"""A name at the code host, and the number there if it is known."""


def has_started(run: Run, person: User) -> bool:
    """This run, or one of those that it repeats."""
    chain = [run]
    while chain[-1].rerun_of is not None:
        chain.append(chain[-1].rerun_of)
    if any(number_of(one.asked_by) == person.pk for one in chain):
        return True
    kinds = [EventKind.PUSH, EventKind.TAG, EventKind.PULL_REQUEST]
    return is_among(person, Event.objects.filter(run__in=chain, kind__in=kinds).values_list("actor", "actor_id"))


def is_among(person: User, pushers: Iterable[Pusher]) -> bool:
    """Who has no account noted is also known by their name there: a name that only looks like theirs costs them a
    vote."""
    known = Identity.objects.filter(user=person).values_list("code_host_id", flat=True).first()
    name = person.get_username().casefold()
    if known is not None:
        return any(number == known for _, number in pushers)
    return any(actor.casefold() == name for actor, _ in pushers)
