"""Which digests are due, and that each is put into the outbox once."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction

from pipelines.notifications.lifecycle import CHANNELS
from pipelines.notifications.models import Digest, Kind, Recipient, Rule, Topic
from pipelines.outbox import queue as outbox

LATEST = timedelta(hours=12)  # one that is later than so, since no server ran, is left out


def due(now: datetime) -> Iterator[tuple[Rule, date]]:
    """The rules whose digest of a day is to be put now, with that day on their clocks."""
    rules = Rule.objects.exclude(digest_at=None).select_related("recipient", "project")
    sent = set(Digest.objects.filter(day__gte=(now - timedelta(days=3)).date()).values_list("recipient", "day"))
    for rule in rules:
        day = due_day(rule, now)
        if day is not None and rule.is_digest and (rule.recipient_id, day) not in sent:
            yield rule, day


def due_day(rule: Rule, now: datetime) -> date | None:
    """The day whose digest should be out by `now`; None when it is not yet time, or was so long ago that it is stale,
    or the rule is younger than that time."""
    assert rule.digest_at is not None, "only rules of digests are asked"
    zone = ZoneInfo(rule.time_zone)
    today = now.astimezone(zone).date()
    for day in (today, today - timedelta(days=1)):
        at = datetime.combine(day, rule.digest_at, zone)
        if at <= now < at + LATEST:
            return day if rule.created_at <= at else None
    return None


def put(rule: Rule, day: date, facts: dict[str, Any]) -> bool:
    """Put the digest of that day into the outbox; False when it was there already, by whichever announcer."""
    recipient: Recipient = rule.recipient
    with transaction.atomic():
        _, made = Digest.objects.get_or_create(recipient=recipient, day=day)
        if made:
            channel = CHANNELS[Kind(recipient.kind)]
            outbox.tell_one(Topic.DIGEST, "project", rule.project_id, facts, channel, recipient.pk)
    return made
