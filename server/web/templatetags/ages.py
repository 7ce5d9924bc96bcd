"""How long something has been so, where the exact time has no room."""

from datetime import datetime

from django import template
from django.utils import timezone

from server.durations import DAY, HOUR, MINUTE

register = template.Library()


@register.filter
def for_how_long(since: datetime) -> str:
    """In the largest unit: 40 s, 12 min, 5 h, 3 d."""
    seconds = max((timezone.now() - since).total_seconds(), 0)
    if seconds < 2 * HOUR:
        return f"{int(seconds)} s" if seconds < MINUTE else f"{int(seconds // MINUTE)} min"
    return f"{int(seconds // HOUR)} h" if seconds < 2 * DAY else f"{int(seconds // DAY)} d"
