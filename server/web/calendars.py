"""Calendars (iCalendar, RFC 5545) of schedules and freezes: opened by a key in the address, and by nothing else."""

from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from pipelines.feeds import lifecycle, occasions
from pipelines.feeds.models import Calendar
from pipelines.feeds.occasions import Occasion
from pipelines.projects.models import Project
from server import access

LINE_BYTES = 75


@require_safe
def calendar(request: HttpRequest, key: str) -> HttpResponse:
    """What its person sees now; 404 for a key that opens nothing, or nothing any more."""
    found = lifecycle.calendar_of(key)
    if found is None:
        raise Http404
    name = f"Slipway: {found.project}" if found.project else "Slipway"
    text = written(name, occasions.coming(_projects(found), timezone.now()), timezone.now())
    response = HttpResponse(text.encode(), content_type="text/calendar; charset=utf-8")
    response["Cache-Control"] = "private, max-age=900"
    response["Content-Disposition"] = 'inline; filename="slipway.ics"'
    response["Referrer-Policy"] = "no-referrer"
    return response


def written(name: str, coming: list[Occasion], now: datetime) -> str:
    """A calendar of its own; all its times are in UTC, so it needs no time zone."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Slipway//Slipway//EN", "CALSCALE:GREGORIAN", "METHOD:PUBLISH"]
    lines += [f"X-WR-CALNAME:{_escaped(name)}", "REFRESH-INTERVAL;VALUE=DURATION:PT1H", "X-PUBLISHED-TTL:PT1H"]
    for one in coming:
        lines += _event(one, now)
    lines.append("END:VCALENDAR")
    return "".join(folded + "\r\n" for line in lines for folded in _folded(line))


def _projects(found: Calendar) -> list[Project]:
    """Raises Http404 when its person sees its project no more."""
    seen = access.visible_projects(found.person)
    if found.project_id is None:
        return list(seen)
    projects = list(seen.filter(pk=found.project_id))
    if not projects:
        raise Http404
    return projects


def _event(one: Occasion, now: datetime) -> list[str]:
    """A start of a run takes no time of anybody's; a freeze lasts from its beginning to its end."""
    host = urlsplit(settings.SLIPWAY_URL).hostname or "slipway"
    lines = ["BEGIN:VEVENT", f"UID:{one.uid}@{host}", f"DTSTAMP:{_stamp(now)}", f"DTSTART:{_stamp(one.starts_at)}"]
    lines += [f"DTEND:{_stamp(one.ends_at)}"] if one.ends_at else []
    lines += [f"SUMMARY:{_escaped(one.title)}"]
    lines += [f"DESCRIPTION:{_escaped(one.text)}"] if one.text else []
    lines += [f"URL:{settings.SLIPWAY_URL}{_path(one)}"]
    return [*lines, "TRANSP:TRANSPARENT", "END:VEVENT"]


def _path(one: Occasion) -> str:
    if one.environment:
        return reverse("environment", args=[one.project, one.environment])
    return reverse("schedules" if one.ends_at is None else "project", args=[one.project]) if one.project else "/"


def _stamp(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _escaped(text: str) -> str:
    plain = "".join(sign for sign in text if sign.isprintable() or sign == "\n")
    for sign, told in (("\\", "\\\\"), (";", "\\;"), (",", "\\,"), ("\n", "\\n")):
        plain = plain.replace(sign, told)
    return plain


def _folded(line: str) -> Iterator[str]:
    """Into pieces of at most 75 bytes, of which all but the first begin with a space; no character is torn."""
    piece, size = "", 0
    for sign in line:
        length = len(sign.encode())
        if size + length > LINE_BYTES:
            yield piece
            piece, size = " ", 1
        piece, size = piece + sign, size + length
    yield piece
