"""Numbers, times and names as people read them."""

from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from pipelines.audit.actors import name_of
from pipelines.states.models import Stateful
from server import durations
from server.durations import DAY, HOUR, MINUTE

register = template.Library()


register.filter("clock", durations.clock)


@register.filter
def about(seconds: float) -> str:
    """A duration that is a guess: 40 s, 2 min, 3 h."""
    if seconds < MINUTE:
        return f"{int(seconds)} s"
    return f"{round(seconds / MINUTE)} min" if seconds < 2 * HOUR else f"{round(seconds / HOUR)} h"


@register.filter
def took(seconds: float | None) -> str:
    """How long a test took: 1.84 s, or 2:05 from a minute on; nothing when it is not known."""
    if seconds is None:
        return ""
    return f"{seconds:.2f} s" if seconds < MINUTE else durations.clock(seconds)


@register.filter
def ago(at: datetime | None) -> SafeString | str:
    """How long ago, with the exact time in `title` and `datetime`; a script puts the viewer's zone there."""
    if at is None:
        return ""
    return _time(at, _distance(at, timezone.now()))


@register.filter
def who(actor: str) -> str:
    """A person of the ledgers without the number; nobody is Slipway itself."""
    return name_of(actor) or "itself"


@register.filter
def short(sha: str) -> str:
    """A commit or digest as people quote it."""
    return sha[:7]


@register.filter
def sentence(text: str) -> str:
    """A text that ends like a sentence."""
    return text if text.endswith((".", "?", "!")) else f"{text}."


@register.filter
def initials(name: str) -> str:
    return name[:2].upper()


def _time(at: datetime, text: str) -> SafeString:
    exact = f"{at:%a} {at.day} {at:%B %Y, %H:%M:%S} UTC"
    return format_html('<time datetime="{}" title="{}" data-ago>{}</time>', at.isoformat(), exact, text)


def _distance(at: datetime, now: datetime) -> str:
    seconds = max((now - at).total_seconds(), 0)
    if seconds < 2 * HOUR:
        return f"{int(seconds)} s ago" if seconds < MINUTE else f"{int(seconds // MINUTE)} min ago"
    if seconds < 2 * DAY:
        return f"{int(seconds // HOUR)} h ago"
    return f"{int(seconds // DAY)} days ago" if seconds < 60 * DAY else f"{at:%Y-%m-%d}"


@register.simple_tag
def so_far(row: Stateful) -> float | None:
    """Seconds between the start and the end, or now."""
    return durations.so_far(row)


@register.simple_tag
def share(seconds: float, usual: float) -> float:
    """Per cent of a meter whose mark for the usual time stands at 92; never quite full."""
    return round(min(92 * seconds / usual, 99), 1)
