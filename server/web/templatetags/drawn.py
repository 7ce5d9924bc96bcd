"""Drawings in templates."""

from typing import Any

from django import template

from server.web.drawings.graph import Graph
from server.web.drawings.ribs import Ribs
from server.web.drawings.ruler import Ruler
from server.web.drawings.timeline import Timeline

register = template.Library()


@register.inclusion_tag("parts/ribs.html")
def ribs(drawing: Ribs) -> dict[str, Any]:
    return {"drawing": drawing}


@register.inclusion_tag("parts/ruler.html")
def ruler(drawing: Ruler) -> dict[str, Any]:
    return {"drawing": drawing}


@register.inclusion_tag("parts/graph.html")
def graph(drawing: Graph, current: str) -> dict[str, Any]:
    return {"drawing": drawing, "current": current}


@register.inclusion_tag("parts/timeline.html")
def timeline(drawing: Timeline, current: str) -> dict[str, Any]:
    return {"drawing": drawing, "current": current}
