"""Write acts, chain them, and check the chain."""

import hashlib
import hmac
import json
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from pipelines.audit.models import Act
from pipelines.errors import LostRace
from pipelines.states.signals import progressed


def record(actor: str, verb: str, subject: str, *, reason: str = "", **facts: Any) -> Act:
    """Note an act in the caller's transaction; it is chained by the sealer a moment after the commit.

    A long name is cut: an act must never fail, and take its transaction along, because of how it is told.
    """
    act = Act.objects.create(actor=actor[:150], verb=verb, subject=subject[:150], reason=reason, facts=facts)
    transaction.on_commit(partial(progressed.send, Act, subject=act), robust=True)
    return act


def seal() -> int:
    """Chain the committed rows that have no place yet; returns how many. Writers never wait for it.

    Two sealers at once are harmless: only one of them gives a row or a place away, the other one's work is undone.
    """
    try:
        with transaction.atomic():
            last = Act.objects.exclude(place=None).order_by("place").last()
            done, previous = (last.place or 0, last.seal) if last else (0, "")
            rows = list(Act.objects.filter(place=None).order_by("pk")[:500])
            for place, act in enumerate(rows, done + 1):
                previous = _seal(act, place, previous)
                if Act.objects.filter(pk=act.pk, place=None).update(place=place, seal=previous) != 1:
                    raise LostRace(f"act {act.pk} has been sealed by another process")
            return len(rows)
    except (IntegrityError, LostRace):
        return 0


@dataclass(frozen=True, slots=True)
class Checked:
    """The acts up to `held` are as they were sealed; `fault` names the first that is not, empty when all are."""

    held: int
    fault: str


def check() -> Checked:
    """Look at the whole chain; with many acts it takes a while."""
    previous, held = "", 0
    for expected, act in enumerate(Act.objects.exclude(place=None).order_by("place").iterator(), 1):
        if act.place != expected:
            return Checked(held, f"act {expected} is missing before act {act.place} ({act})")
        if not hmac.compare_digest(_seal(act, expected, previous), act.seal):
            return Checked(held, f"act {act.place} ({act}, {act.at:%Y-%m-%d %H:%M:%S}) is not what was sealed")
        previous, held = act.seal, expected
    return Checked(held, "")


def verify() -> str | None:
    """None when the chain holds; else a sentence that names the first row that was changed, removed or moved."""
    return check().fault or None


def _seal(act: Act, place: int, previous: str) -> str:
    row = [place, act.at.isoformat(), act.actor, act.verb, act.subject, act.reason, act.facts]
    text = previous + json.dumps(row, sort_keys=True, separators=(",", ":"))
    return hmac.new(settings.SECRET_KEY.encode(), text.encode(), hashlib.sha256).hexdigest()
