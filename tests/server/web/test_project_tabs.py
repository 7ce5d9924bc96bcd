"""The tabs of a project: the same on all its pages, and they say which page it is."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from pipelines.projects.models import Project
from tests.factories import make_environment, make_green_run, make_live

pytestmark = pytest.mark.django_db
_NAV = re.compile(r'<div class="ptabs">.*?</details></div>', re.DOTALL)
_CURRENT = re.compile(r'aria-current="(page|true)">([^<]+)<')
# Route → which tab it is marked under, and whether it is that page itself.
BELOW = {
    "project": ("page", "Runs"),
    "run-start": ("true", "Runs"),
    "trends": ("page", "Trends"),
    "tests": ("page", "Tests"),
    "events": ("page", "Events"),
    "pipeline": ("page", "Pipeline"),
    "schedules": ("page", "Schedules"),
    "project-setup": ("page", "Set-up"),
    "secrets": ("page", "Secrets"),
    "members": ("page", "People"),
    "project-tokens": ("true", "People"),
    "messages": ("page", "Messages"),
    "feeds": ("page", "Badges and feeds"),
    "project-retention": ("page", "Retention"),
}


def tabs(client: Client, address: str) -> str:
    (found,) = _NAV.findall(client.get(address).content.decode())
    return str(found)


@pytest.mark.parametrize("route", BELOW)
def test_each_page_of_a_project_has_them_and_marks_itself(route: str, operator: Client, project: Project) -> None:
    assert _CURRENT.findall(tabs(operator, reverse(route, args=[project.name]))) == [BELOW[route]]


def test_runs_environments_and_deploys_have_them_too(operator: Client, project: Project) -> None:
    run = make_green_run(project)
    deploy = make_live(make_environment(project))
    at_run, in_place = [project.name, run.number], [project.name, deploy.environment.name]
    for route, args in (("run", at_run), ("run-tests", at_run), ("run-artifacts", at_run), ("run-commits", at_run)):
        assert _CURRENT.findall(tabs(operator, reverse(route, args=args))) == [("true", "Runs")]
    places = [reverse("environment", args=in_place), reverse("hosts", args=in_place)]
    for address in (*places, reverse("deploy", args=[project.name, deploy.number])):
        assert _CURRENT.findall(tabs(operator, address)) == [("true", "Environments")]
    assert _CURRENT.findall(tabs(operator, reverse("delivery", args=in_place))) == [("true", "Trends")]


def test_what_one_may_not_open_is_not_offered(viewer: Client, operator: Client, project: Project) -> None:
    address = reverse("tests", args=[project.name])
    assert "All settings" in tabs(operator, address)
    seen = tabs(viewer, address)
    assert "Badges and feeds" in seen
    for name in ("Set-up", "Secrets", "People", "Messages", "Retention", "All settings"):
        assert name not in seen


def test_a_page_of_no_project_has_none(operator: Client) -> None:
    for route in ("all-events", "retention", "board"):
        assert "ptabs" not in operator.get(reverse(route)).content.decode()
