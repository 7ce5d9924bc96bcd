"""Times to come, on the clocks of their own zone."""

from datetime import date, datetime, timedelta

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag
def soon(at: datetime) -> SafeString:
    """Today, tomorrow or the day, with the time as the clocks of `at`'s zone show it; exactly in `title`."""
    exact = f"{at:%A} {at.day} {at:%B %Y, %H:%M} {at.tzinfo} (UTC{at:%z})"
    today = timezone.now().astimezone(at.tzinfo).date()
    text = f"{_day(at.date(), today)} at {at:%H:%M %Z}"
    return format_html('<time datetime="{}" title="{}" data-zoned>{}</time>', at.isoformat(), exact, text)


@register.filter
def left(until: datetime) -> str:
    """How long it is still: for 20 s more."""
    seconds = max((until - timezone.now()).total_seconds(), 0)
    return f"for {int(seconds)} s more" if seconds < 120 else f"for {round(seconds / 60)} min more"


def _day(day: date, today: date) -> str:
    if day == today:
        return "today"
    if day == today + timedelta(days=1):
        return "tomorrow"
    year = f" {day.year}" if day.year != today.year else ""
    return f"{day:%A} {day.day} {day:%B}{year}"
