"""How long the record is kept is seen before it is set, and set by whom it concerns."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from pipelines.projects.models import Project, Role
from pipelines.retention import rules
from pipelines.retention.models import Retention
from pipelines.retention.rules import Rules
from pipelines.runs.models import Run
from tests.factories import make_operator, make_person, make_project, make_red_run

pytestmark = pytest.mark.django_db


def signed_in(project: Project | None = None, role: Role = Role.OWNER) -> Client:
    client = Client()
    client.force_login(make_person(project=project, role=role) if project else make_operator())
    return client


def test_a_preview_counts_by_project_and_changes_nothing() -> None:
    project = make_project()
    for _ in range(3):
        make_red_run(project)
    Run.objects.update(finished_at=timezone.now() - timedelta(days=40))
    page = signed_in().get(reverse("retention"), {"preview": "1", "runs_days": "30", "runs_newest": "1"})
    assert [(one.name, amount.runs) for one, amount in page.context["preview"]] == [(project.name, 2)]
    assert Run.objects.count() == 3
    assert not Retention.objects.exists()


def test_an_owner_sets_their_project_s_rule_and_an_operator_that_of_all() -> None:
    project = make_project()
    owner = signed_in(project)
    assert owner.post(reverse("project-retention", args=[project.name]), {"runs_days": "90"}).status_code == 302
    assert owner.post(reverse("retention"), {"runs_days": "1"}).status_code == 403
    assert signed_in().post(reverse("retention"), {"logs_days": "30"}).status_code == 302
    assert rules.in_force(project) == Rules(runs_days=90, logs_days=30)
    shown = owner.get(reverse("project-retention", args=[project.name]))
    assert shown.context["form"]["runs_days"].value() == 90


@pytest.mark.parametrize(
    "bad", [{"events_days": "2"}, {"runs_days": "-1"}, {"logs_days": "soon"}, {"runs_newest": "0"}]
)
def test_what_cannot_be_meant_comes_back_with_a_sentence(bad: dict[str, str]) -> None:
    response = signed_in().post(reverse("retention"), bad)
    assert response.status_code == 400
    assert 'role="alert"' in response.content.decode()
    assert not Retention.objects.exists()
