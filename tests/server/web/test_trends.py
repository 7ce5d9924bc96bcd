"""The charts of a project and of an environment, each with a sentence and a table that say the same."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from pipelines.projects.models import Project
from server.web.charts import Chart, Series, course
from tests.factories import make_environment, make_green_run, make_live, make_red_run
from tests.server.web.test_how_much_pages_ask import grows_not

START = datetime(2026, 3, 9, tzinfo=UTC)


def drawn(text: str, key: str) -> Any:
    found = re.search(rf'<script id="{key}" type="application/json">(.*?)</script>', text)
    assert found is not None, f"no chart {key}"
    return json.loads(found[1])


def test_a_course_is_told_in_words() -> None:
    assert course([250.0, None, 421.0, 320.0], "clock") == "4:10 to 5:20, at most 7:01"
    assert course([None, 94], "percent") == "94 %"
    assert course([50, 90, 10, 60], "percent") == "50 % to 60 %, at least 10 %, at most 90 %"
    assert course([50, 60, 70], "percent") == "50 % to 70 %"
    assert course([100, 75, 100], "percent") == "100 %, at least 75 %"
    assert course([None, None], "count") == "nothing to show yet"


def test_the_table_says_what_the_chart_draws_and_leaves_out_what_is_empty() -> None:
    starts = [START, START.replace(day=16)]
    chart = Chart(
        "took", "Took", "", "clock", "line", starts, [Series("Median", [None, 61.234]), Series("Most", [None, None])]
    )
    assert chart.rows == [(starts[1], ["1:01", ""])]
    assert chart.data["series"][0] == {"name": "Median", "values": [None, 61.23]}
    assert not chart.is_empty


@pytest.mark.django_db
def test_the_trends_of_a_project_come_from_its_runs(viewer: Client, project: Project) -> None:
    for _ in range(3):
        make_green_run(project)
    make_red_run(project)
    text = viewer.get(reverse("trends", args=[project.name])).content.decode()
    assert "75 % of 4 runs on main passed" in text
    assert drawn(text, "passed")["series"][0]["values"][-1] == 75
    assert drawn(text, "ended")["series"][1]["values"][-1] == 3
    assert len(drawn(text, "durations")["x"]) == 30


@pytest.mark.django_db
@pytest.mark.parametrize("query", ["", "?span=quarter", "?span=year&ref=*", "?span=%00&ref=refs/heads/none"])
def test_a_project_without_runs_says_what_to_do(query: str, viewer: Client, project: Project) -> None:
    answer = viewer.get(reverse("trends", args=[project.name]) + query)
    assert answer.status_code == 200
    assert "start a run" in answer.content.decode()


@pytest.mark.django_db
def test_the_four_figures_of_delivery_are_drawn_week_by_week(viewer: Client, project: Project) -> None:
    environment = make_environment(project, is_production=True)
    make_live(environment)
    text = viewer.get(reverse("delivery", args=[project.name, environment.name])).content.decode()
    assert drawn(text, "deploys")["series"][0]["values"][-1] == 1
    for key in ("deploys", "leads", "failures"):
        assert len(drawn(text, key)["x"]) == 13
    assert "Nothing to draw yet" in text  # nothing had to be restored


@pytest.mark.django_db
def test_trends_ask_as_often_for_many_runs_as_for_few(operator: Client, project: Project) -> None:
    make_green_run(project)
    grows_not(operator, reverse("trends", args=[project.name]), lambda: [make_green_run(project) for _ in range(4)], 10)
