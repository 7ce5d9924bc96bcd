"""The ways around a project, the same on each of its pages."""

from dataclasses import dataclass

from django import template
from django.template import Context
from django.urls import reverse
from django.utils.http import urlencode

from pipelines.projects.models import Project
from server import access
from server.access import Act

register = template.Library()

_SHOWN = (
    ("Runs", "project"),
    ("Environments", "board"),
    ("Trends", "trends"),
    ("Tests", "tests"),
    ("Events", "events"),
    ("Pipeline", "pipeline"),
    ("Schedules", "schedules"),
)
_MORE = (
    ("Set-up", "project-setup", Act.ADMINISTER),
    ("Secrets", "secrets", Act.ADMINISTER),
    ("People", "members", Act.ADMINISTER),
    ("Messages", "messages", Act.NOTIFY),
    ("Badges and feeds", "feeds", Act.VIEW),
    ("Retention", "project-retention", Act.ADMINISTER),
)


@dataclass(frozen=True, slots=True)
class Tab:
    """`current` is the value of aria-current: `page` for the page itself, `true` for one below it, or empty."""

    name: str
    url: str
    current: str


@dataclass(frozen=True, slots=True)
class Tabs:
    """`more` are those that one looks for seldom, and may see."""

    shown: list[Tab]
    more: list[Tab]


@register.simple_tag(takes_context=True)
def tabs_of_project(context: Context, here: str) -> Tabs:
    """Those that the visitor may see; `here` is the name of the route to mark."""
    request, project = context["request"], context["project"]
    may = access.acts(request.user, project)
    shown = [_tab(name, route, project, here, request.path) for name, route in _SHOWN]
    more = [_tab(name, route, project, here, request.path) for name, route, act in _MORE if act in may]
    return Tabs(shown, more)


def _tab(name: str, route: str, project: Project, here: str, path: str) -> Tab:
    url = reverse(route, args=[project.name]) if route != "board" else _board(project)
    return Tab(name, url, "" if route != here else "page" if url == path else "true")


def _board(project: Project) -> str:
    return f"{reverse('board')}?{urlencode({'find': project.name})}"
