"""What pages ask, and how many questions that takes."""

import pytest
from pytest_django import DjangoAssertNumQueries

from pipelines.deploys.models import Environment
from pipelines.deploys.reads import queries, ways
from pipelines.states.status import Status
from tests.factories import (
    begin_deploy,
    configure,
    finish_deploy,
    make_deploy,
    make_environment,
    make_live,
    make_project,
    make_release,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def production() -> Environment:
    return make_environment()


def test_a_shelf_holds_the_newest_releases_and_what_is_live(production: Environment) -> None:
    make_live(production)
    for _ in range(3):
        make_release(production.project)
    shelf = queries.shelves([production.project], length=2)[production.project_id]
    assert [release.number for release in shelf.releases] == [1, 3, 4]
    assert shelf.live == {"production": 1}


def test_the_shelves_of_many_projects_take_two_queries(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    projects = [make_environment().project for _ in range(3)]
    with django_assert_num_queries(2):
        assert len(queries.shelves(projects)) == 3


def test_an_environment_whose_last_deploy_failed_is_broken(production: Environment) -> None:
    production.on_breach = "stop"
    production.save()
    failed = finish_deploy(make_deploy(production), Status.FAILED)
    assert queries.broken([production.project]) == [failed]
    make_live(production)
    assert queries.broken([production.project]) == []


def test_what_runs_comes_before_what_waits_and_rollbacks_before_deploys(production: Environment) -> None:
    make_live(production)
    running = make_deploy(production)
    begin_deploy(running)
    waiting = make_deploy(production)
    assert queries.waiting(production) == [running, waiting]


def test_each_host_comes_with_its_newest_deploy(
    production: Environment, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_live(production)
    newest = make_live(production)
    with django_assert_num_queries(2):
        stands = queries.hosts(production)
        assert [(stand.host.name, stand.last and stand.last.deploy) for stand in stands] == [
            ("web-1", newest),
            ("web-2", newest),
        ]


def test_the_history_says_what_became_of_each_release_here(production: Environment) -> None:
    make_live(production)
    live = make_live(production).release
    other = make_release(production.project, ref="refs/heads/other")
    shown = {one.release.number: one for one in queries.history(production)}
    assert shown[live.number].is_live
    assert shown[1].ran_well
    assert "takes refs/heads/main" in shown[other.number].refusal
    assert not shown[other.number].is_deployable


def test_a_history_takes_as_many_queries_however_long_it_is(
    production: Environment, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(4):
        make_live(production)
    with django_assert_max_num_queries(3):
        queries.history(production)


def test_there_is_no_way_back_from_nothing(production: Environment) -> None:
    assert ways.way_back(production) is None


def test_the_way_back_names_what_it_would_take_back(production: Environment) -> None:
    configure(production, {"WORKERS": "4"})
    first = make_live(production).release
    configure(production, {"WORKERS": "8", "FLAG": "on"})
    second = make_live(production).release
    way = ways.way_back(production)
    assert way is not None
    assert way.target == first
    assert list(way.between) == [second]
    assert way.authors == ["Ada Example"]
    assert way.changes == [queries.Change("FLAG", "on", None), queries.Change("WORKERS", "8", "4")]


def test_the_way_to_a_newer_release_brings_instead_of_taking_back(production: Environment) -> None:
    old = make_live(production).release
    newer = make_live(production).release
    make_live(production, old)
    way = ways.way_back(production)
    assert way is not None
    assert way.forward
    assert list(way.between) == [newer]


def test_only_what_ran_well_can_be_gone_back_to(production: Environment) -> None:
    make_live(production)
    make_live(production)
    make_release(production.project)
    assert ways.way_back(production, 3) is None
    assert ways.way_back(production, 1) is not None


def test_a_deploy_comes_with_its_hosts_in_few_queries(
    production: Environment, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    deploy, project = make_live(production), production.project
    with django_assert_num_queries(2):
        whole = queries.whole(project, deploy.number)
        assert [row.host.name for row in whole.hosts.all()] == ["web-1", "web-2"]
        assert all(row.log.size for row in whole.hosts.all())


def test_what_ran_before_a_deploy_is_the_last_good_one(production: Environment) -> None:
    configure(production, {"A": "1"})
    first = make_live(production)
    configure(production, {"A": "2"})
    second = make_deploy(production)
    assert queries.good_before(first) is None
    assert queries.good_before(second) == first


def test_deploys_are_listed_for_the_projects_asked_about() -> None:
    mine, other = make_environment(), make_environment(make_project())
    make_live(mine)
    make_live(other)
    assert [deploy.environment for deploy in queries.newest([mine.project])] == [mine]


def test_deploys_that_run_are_listed_and_none_that_wait() -> None:
    place = make_environment()
    make_deploy(place)
    runs = begin_deploy(make_deploy(make_environment(place.project, "staging")))
    assert queries.running([place.project], limit=1) == [runs]
