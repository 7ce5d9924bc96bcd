"""How long it is remembered what was sent to webhooks: bodies and answers are large."""

from datetime import datetime, timedelta

from pipelines.notifications.models import Delivery

KEPT = timedelta(days=30)
AT_ONCE = 500


def forget(now: datetime) -> int:
    """Delete the oldest deliveries that are kept no longer, some at a time; returns how many."""
    old = Delivery.objects.filter(begun_at__lt=now - KEPT).order_by("pk").values_list("pk", flat=True)[:AT_ONCE]
    return Delivery.objects.filter(pk__in=list(old)).delete()[0]
