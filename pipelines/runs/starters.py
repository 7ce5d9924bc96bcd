"""Who has started runs: by the code host's number of whoever pushed, and by our own of whoever asked."""

from collections.abc import Iterable

from django.contrib.auth.models import User

from pipelines.audit.actors import maker_of, number_of
from pipelines.runs.models import Event, EventKind, Identity, Run

Pusher = tuple[str, int | None]
"""A name at the code host, and the number there if it is known."""


def has_started(run: Run, person: User) -> bool:
    """This run, or one of those that it repeats; by a token that they made, too."""
    chain = [run]
    while chain[-1].rerun_of is not None:
        chain.append(chain[-1].rerun_of)
    if any(person.pk in (number_of(one.asked_by), maker_of(one.asked_by)) for one in chain):
        return True
    kinds = [EventKind.PUSH, EventKind.TAG, EventKind.PULL_REQUEST]
    return is_among(person, Event.objects.filter(run__in=chain, kind__in=kinds).values_list("actor", "actor_id"))


def is_among(person: User, pushers: Iterable[Pusher]) -> bool:
    """For whom no operator has noted an account, they are also known by their name there: a name that only looks like
    theirs costs them a vote. Else whoever connects some account would no longer be known by the one they push with."""
    known, name = Identity.objects.filter(user=person).first(), person.get_username().casefold()
    by_name = known is None or known.is_own_word
    return any(
        (known is not None and number == known.code_host_id) or (by_name and actor.casefold() == name)
        for actor, number in pushers
    )
