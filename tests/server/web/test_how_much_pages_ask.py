"""A page asks the database as often for much as for little."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from pipelines.audit.record import record
from pipelines.deploys.models import Environment
from pipelines.projects.models import Project
from tests.factories import (
    begin_deploy,
    make_deploy,
    make_environment,
    make_event,
    make_green_run,
    make_live,
    make_project,
    make_red_run,
    make_release,
    make_run,
)

pytestmark = pytest.mark.django_db

# Session, person, the bar's number, and what the page is about, with room for one question more; not with the number of
# rows.
AT_MOST = 26
# An environment's page answers all that is asked at 2 a.m. at once: what is live, the way back with its commits, the
# queue, locks and freezes, the hosts' last day, releases, rules, versions of the configuration and deploys.
AT_MOST_OF_AN_ENVIRONMENT = 37


def asked(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200
    return len(queries)


def grows_not(client: Client, address: str, more: Callable[[], object], at_most: int = AT_MOST) -> None:
    before = asked(client, address)
    more()
    after = asked(client, address)
    assert after <= before, f"{address}: {before} queries became {after}"
    assert before <= at_most


def fill(project: Project) -> Environment:
    environment = make_environment(project)
    make_live(environment)
    make_live(environment)
    make_red_run(project)
    make_run(project)
    make_run(project, spec=None)
    begin_deploy(make_deploy(environment))
    make_deploy(environment)
    return environment


def test_the_dashboard(operator: Client) -> None:
    fill(make_project())
    grows_not(operator, "/", lambda: [fill(make_project()) for _ in range(3)], 30)


def test_a_project(operator: Client, project: Project) -> None:
    fill(project)
    more = lambda: [make_release(project) for _ in range(4)]  # noqa: E731
    grows_not(operator, reverse("project", args=[project.name]), more)


def test_a_run(operator: Client, project: Project) -> None:
    small = make_green_run(project)
    steps = ", ".join(f'"echo {number}"' for number in range(9))
    stages = "".join(f"  s{number}: {{steps: [{steps}]}}\n" for number in range(9))
    large = make_green_run(project, spec=f"image: busybox\nstages:\n{stages}")
    first, second = (asked(operator, reverse("run", args=[project.name, run.number])) for run in (small, large))
    assert second <= first + 1 <= AT_MOST  # the second has an earlier run to be compared with


def test_a_run_that_waits_in_many_ways(operator: Client, project: Project) -> None:
    stages = "  gate: {needs: [], approval: {}, steps: [x]}\n"
    stages += "".join(f"  s{n}: {{needs: [], concurrency: deploy, labels: [gpu], steps: [x]}}\n" for n in range(3))
    small = make_run(project, spec=f"image: busybox\nstages:\n{stages}")
    stages += "".join(f"  t{n}: {{needs: [s{n % 3}], steps: [x]}}\n" for n in range(20))
    large = make_run(project, spec=f"image: busybox\nstages:\n{stages}")
    first, second = (asked(operator, reverse("run", args=[project.name, run.number])) for run in (small, large))
    assert second <= first <= AT_MOST


def test_the_queue(operator: Client, viewer: Client, project: Project) -> None:
    gate = "image: busybox\nstages:\n  gate: {approval: {}, steps: [x]}\n"

    def more() -> None:
        for _ in range(3):
            fill(make_project())
            make_run(project, spec=gate)
            make_run(project)

    more()
    grows_not(operator, reverse("queue"), more)
    grows_not(viewer, reverse("queue"), more)


def test_an_environment(operator: Client, project: Project) -> None:
    environment = make_environment(project)
    for _ in range(3):
        make_live(environment)
    address = reverse("environment", args=[project.name, environment.name])
    grows_not(operator, address, lambda: [make_live(environment) for _ in range(4)], AT_MOST_OF_AN_ENVIRONMENT)


def test_a_deploy(operator: Client, project: Project) -> None:
    small = make_live(make_environment(project, "small", hosts=["a", "b"]))
    large = make_live(make_environment(project, "large", hosts=[f"web-{n}" for n in range(20)]))
    first, second = (asked(operator, reverse("deploy", args=[project.name, d.number])) for d in (small, large))
    assert second <= first <= AT_MOST


def test_events(operator: Client, project: Project) -> None:
    make_event(project)
    grows_not(operator, reverse("all-events"), lambda: [make_event(make_project()) for _ in range(5)])


def test_the_environment_board(operator: Client, viewer: Client, project: Project) -> None:
    fill(project)
    make_release(project)

    def more() -> None:
        for _ in range(3):
            release = make_release(fill(make_project()).project)
            make_live(make_environment(release.project, "staging"), release)

    grows_not(operator, reverse("board"), more)
    grows_not(viewer, reverse("board"), more)


def test_what_a_release_would_change(operator: Client, project: Project) -> None:
    environment = make_environment(project)
    make_live(environment)
    small, large = make_release(project), [make_release(project) for _ in range(4)][-1]
    address = [reverse("preview", args=[project.name, environment.name, one.number]) for one in (small, large)]
    first, second = (asked(operator, one) for one in address)
    assert second <= first <= AT_MOST


def test_the_delivery_figures(operator: Client, project: Project) -> None:
    environment = make_environment(project)
    make_live(environment)
    address = reverse("delivery", args=[project.name, environment.name])
    grows_not(operator, address, lambda: [make_live(environment) for _ in range(4)])


def test_the_audit(operator: Client, project: Project) -> None:
    record("ada (#1)", "locked", "shop production")
    grows_not(operator, reverse("audit"), lambda: [record("ada (#1)", "locked", "shop") for _ in range(9)])
