"""A project's runs, narrowed down by the address alone, page by page."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from pipelines.projects.models import Project
from pipelines.runs.models import EventKind
from server.web import projects
from tests.factories import make_green_run, make_red_run, make_run

pytestmark = pytest.mark.django_db


def listed(client: Client, project: Project, query: str = "") -> list[int]:
    text = client.get(reverse("project", args=[project.name]) + query).content.decode()
    found = re.search(r'id="runs".*?</section>', text, re.S)
    assert found is not None
    return [int(number) for number in re.findall(r'class="main" href="[^"]*/runs/(\d+)/"', found[0])]


def test_runs_are_narrowed_down_by_branch_status_event_and_author(viewer: Client, project: Project) -> None:
    make_green_run(project, author="bob")
    make_red_run(project, ref="refs/heads/topic", author="dana")
    make_run(project, kind=EventKind.TAG, ref="refs/tags/v1", author="bob")
    assert listed(viewer, project) == [3, 2, 1]
    assert listed(viewer, project, "?ref=refs/heads/topic") == [2]
    assert listed(viewer, project, "?status=failed") == [2]
    assert listed(viewer, project, "?kind=tag") == [3]
    assert listed(viewer, project, "?author=bob") == [3, 1]
    assert listed(viewer, project, "?author=bob&status=succeeded") == [1]
    assert listed(viewer, project, "?status=%00&kind=nonsense&before=no") == [3, 2, 1]


def test_older_runs_keep_what_was_asked_for(viewer: Client, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projects, "PAGE", 2)
    for author in ("bob", "dana", "bob", "bob"):
        make_run(project, author=author)
    text = viewer.get(reverse("project", args=[project.name]) + "?author=bob").content.decode()
    assert 'href="?author=bob&amp;before=3"' in text
    assert listed(viewer, project, "?author=bob&before=3") == [1]


def test_nothing_found_leads_back_to_all(viewer: Client, project: Project) -> None:
    make_run(project)
    text = viewer.get(reverse("project", args=[project.name]) + "?author=nobody").content.decode()
    assert "No run is like that" in text
