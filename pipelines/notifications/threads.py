"""Who writes of a subject in a chat channel: one at a time, so that its one message is begun once."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from django.db.models import F, QuerySet

from pipelines.errors import LostRace
from pipelines.notifications.models import Thread
from pipelines.states import leases

# Longer than it can take to write a message and its details; so long nobody goes on after one who died over it.
LEASE_SECONDS = 90


@contextmanager
def held(channel_name: str, kind: str, number: int) -> Iterator[Thread]:
    """The thread of a subject in a channel, for the caller alone; it is begun when its message is noted.

    Raises LostRace while somebody else has it.
    """
    place = {"channel_name": channel_name, "subject_kind": kind, "subject_id": number}
    Thread.objects.bulk_create([Thread(**place)], ignore_conflicts=True)
    taken = Thread.objects.filter(leases.free(), **place)
    if taken.update(lease_until=leases.until(LEASE_SECONDS), fence=F("fence") + 1) != 1:
        raise LostRace(f"somebody else writes of {kind} {number} in {channel_name} at this moment")
    thread = Thread.objects.get(**place)
    try:
        yield thread
    finally:
        _of(thread).update(lease_until=None)


def note(thread: Thread, channel: str, ts: str, told: int) -> None:
    """Where its message stands, which tells of that transition. Raises LostRace for who has lost the lease."""
    thread.channel, thread.ts, thread.told = channel, ts, told
    if _of(thread).update(channel=channel, ts=ts, told=told) != 1:
        raise LostRace(f"{thread} was taken over: nothing more is written there")


def forget(kind: str, subjects: Iterable[int]) -> None:
    """Of subjects that are deleted, in the caller's transaction."""
    Thread.objects.filter(subject_kind=kind, subject_id__in=list(subjects)).delete()


def _of(thread: Thread) -> QuerySet[Thread]:
    return Thread.objects.filter(pk=thread.pk, fence=thread.fence)
