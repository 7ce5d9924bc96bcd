"""What Prometheus is told, in the form that it asks for, and to whom."""

import ipaddress
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from prometheus_client.registry import CollectorRegistry

from pipelines.outbox import queue
from pipelines.outbox.models import Message
from pipelines.people import tokens
from pipelines.people.models import Scope
from pipelines.retention import lifecycle
from pipelines.retention.rules import Rules
from pipelines.runs.models import Artifact, Run
from pipelines.tallies import totals
from pipelines.tallies.models import BUCKETS, bucket_of
from server.metrics import grown, page
from server.metrics.histograms import Histogram
from tests.factories import (
    make_deploy,
    make_environment,
    make_green_run,
    make_live,
    make_operator,
    make_person,
    make_project,
    make_red_run,
    make_run,
)
from tests.server.metrics import exposition

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> CollectorRegistry:
    """A process that has not been asked before."""
    fresh = CollectorRegistry()
    fresh.register(page.Records())
    monkeypatch.setattr(page, "_registry", fresh)
    return fresh


@pytest.fixture
def operator() -> Client:
    client = Client()
    client.force_login(make_operator())
    return client


def told(client: Client) -> str:
    response = client.get("/metrics")
    assert response.status_code == 200
    return response.content.decode()


def value(text: str, name: str, **labels: str) -> float | None:
    for family in exposition.read(text).values():
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return float(sample.value)
    return None


def test_the_page_keeps_prometheus_s_rules(operator: Client) -> None:
    environment = make_environment()
    make_live(environment)
    make_deploy(environment)
    make_red_run(environment.project)
    make_run(environment.project)
    assert list(exposition.problems(told(operator))) == []


@pytest.mark.parametrize(
    "text",
    [
        "# HELP slipway_runs Runs.\n# TYPE slipway_runs counter\nslipway_runs 1\n",
        "# TYPE slipway_runs gauge\nslipway_runs 1\n",
        "# HELP slipway_run_ms Runs.\n# TYPE slipway_run_ms gauge\nslipway_run_ms 1\n",
        '# HELP slipway_a_seconds A.\n# TYPE slipway_a_seconds histogram\nslipway_a_seconds_bucket{le="1"} 2\n'
        'slipway_a_seconds_bucket{le="+Inf"} 1\nslipway_a_seconds_count 1\nslipway_a_seconds_sum 1\n',
    ],
)
def test_the_reader_of_metrics_sees_what_is_wrong(text: str) -> None:
    assert list(exposition.problems(text))


def test_runs_stages_and_deploys_are_counted_by_how_they_ended(operator: Client) -> None:
    environment = make_environment()
    project = environment.project.name
    make_live(environment)
    make_red_run(environment.project)
    text = told(operator)
    assert value(text, "slipway_runs_finished_total", project=project, status="succeeded") == 1
    assert value(text, "slipway_runs_finished_total", project=project, status="failed") == 1
    assert value(text, "slipway_run_duration_seconds_count", project=project) == 2
    assert value(text, "slipway_deploys_finished_total", project=project, status="succeeded", kind="deploy") == 1
    assert value(text, "slipway_environment_release", project=project, environment="production") == 1
    assert value(text, "slipway_environment_hosts", environment="production", health="good") == 2


def test_what_waits_is_counted_with_the_age_of_the_oldest(operator: Client) -> None:
    run = make_run(spec=None)
    Run.objects.filter(pk=run.pk).update(created_at=timezone.now() - timedelta(seconds=90))
    text = told(operator)
    assert value(text, "slipway_runs_unfinished", status="queued") == 1
    assert 89 < (value(text, "slipway_queue_oldest_seconds", kind="run") or 0) < 120
    assert value(text, "slipway_queue_oldest_seconds", kind="deploy") == 0


def test_counts_grow_as_things_end_and_each_is_counted_once(operator: Client) -> None:
    project = make_project()
    make_green_run(project)
    first, again = told(operator), told(operator)
    make_green_run(project)
    third = told(operator)
    found = [value(text, "slipway_runs_finished_total", project=project.name) for text in (first, again, third)]
    assert found == [1, 1, 2]


def test_what_is_removed_stays_counted(operator: Client) -> None:
    project = make_project()
    for _ in range(3):
        make_red_run(project)
    before = told(operator)
    Artifact.objects.update(storage_name="")  # a run goes after its files
    lifecycle.prune(project, Rules(runs_days=1, runs_newest=1), timezone.now() + timedelta(days=3))
    assert project.runs.count() == 1
    totals.put_together()
    after = told(operator)
    for name in ("runs_finished_total", "run_duration_seconds_count", "stages_finished_total", "run_wait_seconds_sum"):
        assert value(after, f"slipway_{name}") == value(before, f"slipway_{name}"), name
    assert value(after, "slipway_runs_finished_total", project=project.name) == 3


def test_a_message_that_was_given_up_is_counted(operator: Client) -> None:
    make_live(make_environment(make_project(code_host_name="acme/shop", code_host_token="t0ken-t0ken")))
    queue.failed(Message.objects.all()[0], "no", permanent=True)
    assert (value(told(operator), "slipway_outbox_given_up_total") or 0) > 0


def test_a_histogram_counts_on_the_bound_as_no_more() -> None:
    histogram = Histogram()
    for seconds in (0.5, 1.0, 1.1, 99999.0):
        histogram.add(bucket_of(seconds), 1, seconds)
    cumulated = dict(histogram.cumulated())
    assert (cumulated["1.0"], cumulated["5.0"], cumulated[str(BUCKETS[-1])], cumulated["+Inf"]) == (2, 3, 3, 4)


def test_projects_beyond_the_bound_are_told_together(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grown, "PROJECTS_MAX", 1)
    for _ in range(3):
        make_green_run()
    text = told(operator)
    assert value(text, "slipway_runs_finished_total", project=grown.OTHERS) == 2
    assert list(exposition.problems(text)) == []


def test_what_is_told_of_others_does_not_fall_when_a_project_is_deleted(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grown, "PROJECTS_MAX", 1)
    first = make_project()
    make_green_run(first)
    make_green_run()
    first.delete()
    text = told(operator)
    assert value(text, "slipway_runs_finished_total", project=grown.OTHERS) == 1
    assert value(text, "slipway_runs_finished_total", project=first.name) is None


def test_names_of_people_s_making_cannot_break_the_page(operator: Client) -> None:
    make_live(make_environment(make_project('a"b\\c')))
    assert list(exposition.problems(told(operator))) == []


def test_the_number_of_questions_does_not_grow_with_the_records(
    operator: Client, django_assert_max_num_queries: object
) -> None:
    for _ in range(3):
        make_live(make_environment())
        make_red_run()
    with django_assert_max_num_queries(45):  # type: ignore[operator]
        told(operator)


def ask(**headers: str) -> int:
    return Client().get("/metrics", headers=headers).status_code


def token(person: User, *scopes: Scope) -> str:
    return tokens.personal(person, "prometheus", scopes, None, project=None, by="x")[1]


def test_who_shows_nothing_is_told_nothing() -> None:
    response = Client().get("/metrics")
    assert response.status_code == 401
    assert b"slipway_runs" not in response.content
    client = Client()
    client.force_login(make_person(project=make_project()))
    assert client.get("/metrics").status_code == 401


def test_the_setting_s_token_opens_it_and_an_empty_one_nothing(settings: object) -> None:
    assert ask(authorization="Bearer ") == 401
    settings.SLIPWAY_METRICS_TOKEN = "m3trics-token"  # type: ignore[attr-defined]
    assert ask(authorization="Bearer m3trics-token") == 200
    assert ask(authorization="Bearer m3trics-tokem") == 401
    assert ask(authorization="Basic m3trics-token") == 401


def test_an_operator_s_own_token_opens_it_and_nobody_else_s() -> None:
    assert ask(authorization=f"Bearer {token(make_operator(), *Scope)}") == 200
    assert ask(authorization=f"Bearer {token(make_operator(), Scope.READ)}") == 401
    assert ask(authorization=f"Bearer {token(make_person(project=make_project()), *Scope)}") == 401


def test_an_allowed_address_is_let_in_by_its_connection_alone(settings: object) -> None:
    settings.SLIPWAY_METRICS_ALLOW = [ipaddress.ip_network("10.0.0.0/8")]  # type: ignore[attr-defined]
    assert Client(REMOTE_ADDR="10.2.3.4").get("/metrics").status_code == 200
    assert Client(REMOTE_ADDR="192.0.2.1").get("/metrics").status_code == 401
    assert Client(REMOTE_ADDR="192.0.2.1").get("/metrics", headers={"x-forwarded-for": "10.2.3.4"}).status_code == 401
