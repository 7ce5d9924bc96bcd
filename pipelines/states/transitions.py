"""The one function that changes a status: a compare-and-set, a ledger row, a signal after the commit."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from pipelines.errors import LostRace
from pipelines.states.models import Stateful, Transition
from pipelines.states.signals import recorded, transitioned
from pipelines.states.status import FINAL, Status


def begin(subject: Stateful, *, actor: str = "", reason: str = "") -> Transition:
    """Record that a just inserted row exists with its first status."""
    return _record(subject, "", actor=actor, reason=reason)


def begin_all(subjects: Sequence[Stateful]) -> None:
    """Record that these just inserted rows of one model exist, in one statement."""
    rows = [_row(subject, "", actor="", reason="") for subject in subjects]
    for row, subject in zip(Transition.objects.bulk_create(rows), subjects, strict=True):
        _announce(row, subject)


def transition(subject: Stateful, to: Status, *, actor: str = "", reason: str = "", **fields: Any) -> Transition:
    """Move `subject` to `to`, writing `fields` in the same statement.

    Call it inside `transaction.atomic()`. Raises IllegalMove for a move that its machine does not have, and LostRace
    if the row no longer has the status that `subject` remembers.
    """
    old = subject.status
    subject.machine.check(old, to)
    changes = {"status": to, "reason": reason, **_stamps(to), **fields}
    rows = type(subject)._default_manager.filter(pk=subject.pk, status=old).update(**changes)
    if rows != 1:
        raise LostRace(f"{subject.machine.name} {subject.pk} is no longer {old}")
    for name, value in changes.items():
        setattr(subject, name, value)
    return _record(subject, old, actor=actor, reason=reason)


def _stamps(to: Status) -> dict[str, Any]:
    if to == Status.RUNNING:
        return {"started_at": timezone.now()}
    if to in FINAL:
        return {"finished_at": timezone.now()}
    return {}


def _record(subject: Stateful, old: str, *, actor: str, reason: str) -> Transition:
    row = _row(subject, old, actor=actor, reason=reason)
    row.save(force_insert=True)
    _announce(row, subject)
    return row


def _row(subject: Stateful, old: str, *, actor: str, reason: str) -> Transition:
    return Transition(
        subject_kind=subject.machine.name,
        subject_id=subject.pk,
        from_status=old,
        to_status=subject.status,
        actor=actor,
        reason=reason,
    )


def _announce(row: Transition, subject: Stateful) -> None:
    recorded.send(type(subject), transition=row, subject=subject)
    # Robust: a listener that fails is logged; what is committed stays so, and the other listeners hear of it.
    transaction.on_commit(partial(transitioned.send_robust, type(subject), transition=row, subject=subject))
