"""Drawings in templates."""

from typing import Any

from django import template
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

from pipelines.states.status import Status
from server.web.drawings.graph import Graph
from server.web.drawings.ribs import Rib, Ribs
from server.web.drawings.ruler import Flag, Ruler, Tick
from server.web.drawings.timeline import Timeline

register = template.Library()


_RIBS = (
    '<svg class="ribs draw" width="{}rem" height="1.875rem" viewBox="0 0 {} 30" role="img" aria-label="{}">'
    '<path class="keel" d="M0 28.5H{}"/>{}</svg>'
)


@register.simple_tag
def ribs(drawing: Ribs) -> SafeString:
    """Put together here: a template takes ten times as long over the thousand ribs of a dashboard."""
    bars = mark_safe("".join(map(_rib, drawing.ribs)))  # noqa: S308  each escaped in itself
    return format_html(_RIBS, drawing.width_rem, drawing.width, drawing.label, drawing.width, bars)


def _rib(rib: Rib) -> str:
    title = f"<title>{escape(rib.label)}</title></rect>"
    if rib.hollow:
        place = f'x="{rib.x + 0.5}" y="{rib.y + 0.5}" width="3" height="{rib.height - 1}"'
        return f'<rect class="f-cancelled" {place}>{title}'
    colour = "wait" if rib.waits else escape(rib.status)
    return f'<rect class="f-{colour}" x="{rib.x}" y="{rib.y}" width="4" height="{rib.height}">{title}{_cap(rib)}'


def _cap(rib: Rib) -> str:
    if rib.cap is None:
        return ""
    if rib.status == Status.FAILED:
        return f'<rect class="f-failed" x="{rib.x - 1}" y="{rib.cap}" width="6" height="4"/>'
    return f'<path class="f-errored" d="M{rib.x + 2} {rib.cap}l4 6h-8Z"/>'


_RULER = (
    '<svg class="ruler draw" width="{}rem" height="{}rem" viewBox="0 0 {} {}" preserveAspectRatio="xMaxYMin slice"'
    ' role="img" aria-label="{}"><path class="base" d="M{} 16.5H{}"/>{}</svg>'
)


@register.simple_tag
def ruler(drawing: Ruler) -> SafeString:
    """Put together here, as the ribs are: a page may have one for each project."""
    halves = (f'<path class="tick" d="M{x} 14V16"/>' for x in drawing.halves)
    parts = [*halves, *map(_tick, drawing.ticks), *map(_flag, drawing.flags)]
    size = drawing.width_rem, drawing.height_rem, drawing.width, drawing.height
    inside = mark_safe("".join(parts))  # noqa: S308  each escaped in itself
    return format_html(_RULER, *size, drawing.label, drawing.start, drawing.width, inside)


def _tick(tick: Tick) -> str:
    live, bad = tick.mark.live, tick.mark.bad
    line = f'<path class="tick{" tick--live" if live else ""}" d="M{tick.x} {10 if live else 11}V16"/>'
    how = " rel--bad" if bad else " rel--live" if live else ""
    return f'{line}<text class="rel{how}" x="{tick.x}" y="9" text-anchor="middle">{tick.mark.number}</text>'


def _flag(flag: Flag) -> str:
    drawn = f'<path class="pole" d="{flag.pole}"/><path class="float" d="{flag.arrow}"/>'
    return f'{drawn}<text x="{flag.text_x}" y="{flag.text_y}" text-anchor="end">{escape(flag.names)}</text>'


@register.inclusion_tag("parts/graph.html")
def graph(drawing: Graph, current: str, to: str = "") -> dict[str, Any]:
    """`to`: the page that its stages lead to; this one when empty."""
    return {"drawing": drawing, "current": current, "to": to}


@register.inclusion_tag("parts/timeline.html")
def timeline(drawing: Timeline, current: str, to: str = "") -> dict[str, Any]:
    return {"drawing": drawing, "current": current, "to": to}
