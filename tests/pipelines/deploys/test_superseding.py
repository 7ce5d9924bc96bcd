"""Which waiting deploys a newer release sends away."""

from datetime import timedelta

import pytest
from django.utils import timezone

from pipelines.deploys import approvals, lifecycle, locks, queue, releases, requests
from pipelines.deploys.models import Environment
from pipelines.projects.models import Role
from pipelines.states.models import Transition
from pipelines.states.status import Status
from server.access import actor
from tests.factories import (
    begin_deploy,
    finish_deploy,
    list_hosts,
    make_environment,
    make_green_run,
    make_live,
    make_person,
    make_project,
    make_release,
)
from tests.rivals import race

pytestmark = pytest.mark.django_db

ADA = "ada (#1)"


@pytest.fixture
def environment() -> Environment:
    return make_environment(automatic=True)


def _deploys(environment: Environment) -> list[tuple[int, str]]:
    return [(deploy.release.number, deploy.status) for deploy in environment.deploys.order_by("pk")]


def _order(environment: Environment) -> list[int]:
    return [place.deploy.release.number for place in queue.places(environment)]


def test_a_newer_automatic_deploy_supersedes_those_that_still_wait_before_it(environment: Environment) -> None:
    running = begin_deploy(environment.deploys.get(release=make_release(environment.project)))
    for _ in range(3):
        make_release(environment.project)
    assert _deploys(environment) == [
        (1, Status.RUNNING),
        (2, Status.CANCELLED),
        (3, Status.CANCELLED),
        (4, Status.QUEUED),
    ]
    second = environment.deploys.get(release__number=2)
    assert (second.reason, second.log.closed_at is not None) == ("superseded by release 3", True)
    lifecycle.finish_deploy(running, Status.SUCCEEDED)
    assert _order(environment) == [4]


def test_an_environment_that_takes_each_release_lets_them_all_wait(environment: Environment) -> None:
    Environment.objects.update(supersedes=False)
    for _ in range(3):
        make_release(environment.project)
    assert _order(environment) == [1, 2, 3]


def test_a_release_of_another_ref_supersedes_nothing(environment: Environment) -> None:
    Environment.objects.update(ref_pattern="refs/heads/*")
    make_release(environment.project)
    make_release(environment.project, ref="refs/heads/hotfix")
    assert _order(environment) == [1, 2]


def test_what_a_person_asked_for_is_not_superseded(environment: Environment) -> None:
    Environment.objects.update(automatic=False)
    asked = requests.request(environment, make_release(environment.project), ADA)
    Environment.objects.update(automatic=True)
    make_release(environment.project)
    asked.refresh_from_db()
    assert asked.status == Status.QUEUED


def test_an_older_automatic_deploy_does_not_go_after_a_newer_release_is_live(environment: Environment) -> None:
    lock = locks.take(environment, None, ADA, "broken")
    old = make_release(environment.project)
    Environment.objects.update(automatic=False)
    make_live(environment, make_release(environment.project), override="now")
    locks.release(lock, ADA)
    waited = environment.deploys.get(release=old)
    assert (waited.status, waited.reason) == (Status.CANCELLED, "superseded by release 2")


def test_pushes_that_come_faster_than_staging_tries_them_do_not_starve_production() -> None:
    project = make_project()
    staging = make_environment(project, "staging", automatic=True)
    production = make_environment(project, automatic=True, after=staging, after_seconds=1800)
    finish_deploy(staging.deploys.get(release=make_release(project)))
    queue.settle(production.pk)
    make_release(project)
    assert _deploys(production) == [(1, Status.BLOCKED), (2, Status.BLOCKED)]
    half_an_hour = timezone.now() - timedelta(seconds=1800)
    staging.deploys.filter(status=Status.SUCCEEDED).update(finished_at=half_an_hour)
    queue.settle(production.pk)
    assert _deploys(production) == [(1, Status.QUEUED), (2, Status.BLOCKED)]


def test_what_staging_no_longer_tries_gives_way_to_what_it_may_try_next() -> None:
    project = make_project()
    staging = make_environment(project, "staging", automatic=True)
    production = make_environment(project, automatic=True, after=staging, after_seconds=1800)
    for _ in range(2):
        finish_deploy(staging.deploys.get(release=make_release(project)))
    queue.settle(production.pk)
    assert _deploys(production) == [(1, Status.CANCELLED), (2, Status.BLOCKED)]


def test_what_was_put_first_is_not_superseded(environment: Environment) -> None:
    locks.take(environment, None, ADA, "broken")
    first = environment.deploys.get(release=make_release(environment.project))
    queue.first(first, ADA, "customers wait for it")
    make_release(environment.project)
    assert _order(environment) == [1, 2]


@pytest.mark.parametrize("is_locked", [False, True])
def test_a_push_does_not_send_away_what_people_have_agreed_to(environment: Environment, is_locked: bool) -> None:
    Environment.objects.update(approvals=1)
    list_hosts(environment, ["web-1", "web-2"])
    bob = make_person("bob", environment.project, Role.MAINTAINER)
    agreed = environment.deploys.get(release=make_release(environment.project))
    approvals.approve(agreed, bob, actor(bob), approvals.plan_of(agreed))
    if is_locked:
        locks.take(environment, None, ADA, "broken")
    make_release(environment.project)
    status = Status.BLOCKED if is_locked else Status.QUEUED
    assert _deploys(environment) == [(1, status), (2, Status.BLOCKED)]


def test_of_those_that_nobody_has_agreed_to_the_newest_waits(environment: Environment) -> None:
    Environment.objects.update(approvals=1)
    for _ in range(2):
        make_release(environment.project)
    assert _deploys(environment) == [(1, Status.CANCELLED), (2, Status.BLOCKED)]


@pytest.mark.django_db(transaction=True)
def test_those_who_settle_at_the_same_moment_do_it_once() -> None:
    environment = make_environment(automatic=True)
    project = environment.project
    for _ in range(3):
        runs = [make_green_run(project) for _ in range(3)]
        results = race(6, lambda number, runs=runs: releases.release(runs[number % 3]))  # type: ignore[misc]
        assert not [one for one in results if isinstance(one, Exception)]
    waiting = [number for number, status in _deploys(environment) if status == Status.QUEUED]
    newest = project.releases.filter(overtaken_by=None).order_by("-number").values_list("number", flat=True)
    assert waiting == list(newest[:1])
    for deploy in environment.deploys.filter(status=Status.CANCELLED):
        moves = Transition.objects.filter(subject_kind="deploy", subject_id=deploy.pk)
        assert moves.filter(to_status=Status.CANCELLED).count() == 1
