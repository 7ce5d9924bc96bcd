"""What the charts, the log viewer and the retention page tell, as data."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from pipelines.audit.models import Act
from pipelines.projects import pipelines
from pipelines.projects.models import Project
from pipelines.retention.models import Retention
from pipelines.runs.models import Run
from tests.factories import (
    SPEC,
    finish_stage,
    make_environment,
    make_green_run,
    make_live,
    make_project,
    make_red_run,
    make_run,
)
from tests.server.api.test_answers import AT_MOST

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return make_project("shop")


def get(client: Client, path: str) -> Any:
    answer = client.get(f"/api/v1/{path}")
    assert answer.status_code == 200, answer.json()
    return answer.json()


def put(client: Client, path: str, **body: Any) -> Any:
    return client.put(f"/api/v1/{path}", json.dumps(body), "application/json")


def test_the_trends_of_a_branch_are_told_by_day_and_by_week(operator: Client, project: Project) -> None:
    make_green_run(project)
    make_red_run(project)
    make_red_run(project, ref="refs/heads/dev")
    told = get(operator, "projects/shop/trends")
    assert (told["ref"], len(told["stretches"])) == ("refs/heads/main", 30)
    assert (told["whole"]["ended"], told["whole"]["passed_percent"], told["back_to"]) == (2, 50, None)
    assert sum(one["ended"] for one in told["stretches"]) == 2
    assert get(operator, "projects/shop/trends?ref=*&span=quarter")["whole"]["ended"] == 3
    assert get(operator, "projects/shop/trends?ref=dev")["whole"]["passed_percent"] == 0
    assert operator.get("/api/v1/projects/shop/trends?span=aeon").status_code == 422


def test_the_figures_of_delivery_are_told_in_as_many_questions_whatever_the_past(
    operator: Client, project: Project
) -> None:
    place, counted = make_environment(project), []
    for number in (1, 4):
        for _ in range(number):
            make_live(place)
        get(operator, "projects/shop/environments/production/delivery")
        with CaptureQueriesContext(connection) as queries:
            told = get(operator, "projects/shop/environments/production/delivery?span=year")
        counted.append(len(queries))
    assert (told["whole"]["deploys"], told["weeks"][-1]["deploys"], len(told["weeks"])) == (5, 5, 13)
    assert counted[1] <= counted[0] <= AT_MOST


def test_where_a_log_first_went_wrong_is_told_with_its_line(operator: Client, project: Project) -> None:
    text = b"one\ntwo\n\x1b[31mError: no such host\x1b[0m\nfour\n"
    log = finish_stage(make_run(project), text=text).log_id
    assert get(operator, f"logs/{log}/first-error") == {"line": 3, "text": "Error: no such host", "step": None}
    fine = finish_stage(make_run(project), text=b"all is well\n").log_id
    assert get(operator, f"logs/{fine}/first-error") == {"line": None, "text": "", "step": None}


def test_rules_are_tried_before_they_are_said(operator: Client, project: Project) -> None:
    run = make_red_run(project)
    Run.objects.filter(pk=run.pk).update(finished_at=timezone.now() - timedelta(days=40))
    (told,) = get(operator, "retention/preview?artifacts_days=30&logs_days=30&runs_days=30&runs_newest=1")["items"]
    assert (told["project"], told["runs"]) == ("shop", 0)
    make_green_run(project)
    (told,) = get(operator, "projects/shop/retention/preview?runs_days=30&runs_newest=1")["items"]
    assert told["runs"] == 1
    assert project.runs.filter(pk=run.pk).exists()
    assert not Retention.objects.exists()


def test_a_project_s_rules_go_over_the_server_s(operator: Client, project: Project) -> None:
    assert put(operator, "retention", runs_days=90, logs_days=30).status_code == 200
    told = put(operator, "projects/shop/retention", logs_days=0).json()
    assert (told["own"]["runs_days"], told["own"]["logs_days"]) == (None, 0)
    assert (told["in_force"]["runs_days"], told["in_force"]["logs_days"]) == (90, 0)
    assert get(operator, "projects/shop/retention") == told
    assert [act.subject for act in Act.objects.filter(verb="changed the retention")] == ["all projects", "shop"]
    assert put(operator, "retention", events_days=1).status_code == 422


def test_badges_are_published_and_their_key_is_changed(operator: Client, project: Project) -> None:
    make_environment(project)
    told = put(operator, "projects/shop/badges", is_public=True).json()
    assert (told["is_public"], list(told["environments"])) == (True, ["production"])
    keys = [operator.post("/api/v1/projects/shop/badges/key").json()["key"] for _ in range(2)]
    assert keys[0] != keys[1]
    assert keys[1] not in str(get(operator, "projects/shop/badges"))
    verbs = Act.objects.filter(subject="badges of shop").order_by("pk").values_list("verb", flat=True)
    assert list(verbs) == ["made public", "changed the key", "changed the key"]


def test_what_a_run_brought_since_the_branch_was_green_is_told(operator: Client, project: Project) -> None:
    green, red = make_green_run(project), make_red_run(project, author="bob")
    told = get(operator, f"projects/shop/runs/{red.number}/commits")
    assert (told["green"], told["commits"][0]["sha"]) == (green.number, red.sha)
    assert [run["number"] for run in get(operator, "projects/shop/runs?author=bob")["items"]] == [red.number]
    assert get(operator, "projects/shop/runs?kind=tag")["items"] == []


def test_versions_of_a_pipeline_are_listed_and_read(operator: Client, project: Project) -> None:
    for number in (1, 2):
        pipelines.keep(project, f"{SPEC}# {number}\n", "ada (#1)", f"edit {number}", based_on=number - 1)
    listed = get(operator, "projects/shop/pipeline/versions?limit=1")
    assert ([one["message"] for one in listed["items"]], listed["next"]) == (["edit 2"], "2")
    assert get(operator, "projects/shop/pipeline/versions/1")["text"].endswith("# 1\n")
    assert operator.get("/api/v1/projects/shop/pipeline/versions/9").status_code == 404
