"""Who asks for which deploy, and what is refused."""

import pytest
from django.db import transaction

from pipelines.audit.models import Act
from pipelines.deploys import lifecycle, releases, requests
from pipelines.deploys.models import Deploy, DeployKind, Release
from pipelines.deploys.requests import NotDeployable
from pipelines.errors import LostRace
from pipelines.states.status import Status
from tests.factories import (
    OWNER,
    begin_deploy,
    configure,
    make_deploy,
    make_environment,
    make_live,
    make_project,
    make_release,
    make_rollback,
)
from tests.rivals import race

pytestmark = pytest.mark.django_db

ADA = "ada (#1)"


def test_a_person_asks_and_the_ledger_knows_who_and_why() -> None:
    environment = make_environment()
    release = make_release(environment.project)
    deploy = requests.request(environment, release, ADA, "the fix")
    assert (deploy.number, deploy.status, deploy.asked_by, deploy.why) == (1, Status.QUEUED, ADA, "the fix")
    assert (deploy.kind, deploy.automatic, deploy.priority) == (DeployKind.DEPLOY, False, 0)
    act = Act.objects.get()
    assert (act.actor, act.verb, act.facts) == (ADA, "asked to deploy", {"environment": "production"})


def test_a_second_click_while_it_waits_gives_the_same_deploy() -> None:
    environment = make_environment()
    release = make_release(environment.project)
    asked = requests.request(environment, release, ADA)
    assert requests.request(environment, release, ADA) == asked
    assert Act.objects.count() == 1
    others = [
        requests.request(environment, release, "bob (#2)"),
        requests.request(environment, make_release(environment.project), ADA),
    ]
    configure(environment, {"A": "1"})
    others.append(requests.request(environment, release, ADA))
    begin_deploy(asked)
    assert len({asked, *others}) == 4


@pytest.mark.django_db(transaction=True)
def test_clicks_at_the_same_moment_make_one_deploy() -> None:
    environment = make_environment()
    release = make_release(environment.project)
    made = race(4, lambda _: requests.request(environment, Release.objects.get(pk=release.pk), ADA))
    assert len({deploy.pk for deploy in made if isinstance(deploy, Deploy)}) == 1


def test_deploys_are_numbered_in_their_project() -> None:
    project = make_project()
    one, two = make_environment(project, "staging"), make_environment(project, "production")
    assert [make_deploy(one).number, make_deploy(two).number, make_deploy(one).number] == [1, 2, 3]


def test_a_release_of_another_project_is_refused() -> None:
    with pytest.raises(NotDeployable, match="is not of"):
        requests.request(make_environment(), make_release(), ADA)


def test_a_release_whose_ref_the_environment_does_not_take_is_refused() -> None:
    environment = make_environment(ref_pattern="refs/tags/v*")
    release = make_release(environment.project, ref="refs/heads/x-v1.2.3")
    with pytest.raises(NotDeployable, match=r"takes refs/tags/v\*"):
        requests.request(environment, release, ADA)
    assert not Deploy.objects.exists()


def test_a_quarantined_release_is_refused_even_where_it_was_read_before() -> None:
    environment = make_environment()
    release = make_release(environment.project)
    releases.quarantine(release, "it loses orders")
    assert release.quarantined_at is None
    with pytest.raises(NotDeployable, match="it loses orders"):
        requests.request(environment, release, ADA)
    assert not Deploy.objects.exists()
    assert not Act.objects.exists()


def test_a_deploy_that_waits_is_cancelled_at_once_and_its_log_closed() -> None:
    deploy = make_deploy(make_environment())
    requests.cancel(deploy, ADA, "not today")
    deploy.refresh_from_db()
    assert deploy.status == Status.CANCELLED
    assert deploy.log.closed_at is not None
    assert Act.objects.get().reason == "not today"


def test_a_deploy_that_runs_is_asked_to_stop_and_its_worker_hears() -> None:
    deploy = begin_deploy(make_deploy(make_environment()))
    assert lifecycle.renew(deploy) is None
    requests.cancel(deploy, ADA)
    assert lifecycle.renew(deploy) is not None
    assert Deploy.objects.get(pk=deploy.pk).status == Status.RUNNING


def test_a_page_that_still_shows_it_waiting_stops_a_deploy_that_runs() -> None:
    seen = make_deploy(make_environment())
    begin_deploy(Deploy.objects.get(pk=seen.pk))
    requests.cancel(seen, ADA)
    assert Deploy.objects.get(pk=seen.pk).cancel_requested_at is not None


def test_cancelling_twice_or_too_late_is_harmless() -> None:
    deploy = make_deploy(make_environment())
    requests.cancel(deploy, ADA)
    requests.cancel(deploy, "bob (#2)")
    ended = make_live(make_environment())
    requests.cancel(ended, ADA)
    ended.refresh_from_db()
    assert ended.status == Status.SUCCEEDED
    assert Act.objects.filter(verb="cancelled").count() == 1


def test_each_change_of_the_configuration_is_a_version_of_its_own() -> None:
    environment = make_environment()
    first = requests.latest_configuration(environment)
    second = requests.change_configuration(environment, {"COLOUR": "blue"}, ADA)
    third = requests.change_configuration(environment, {"COLOUR": "green"}, ADA)
    assert [one.version for one in (first, second, third)] == [1, 2, 3]
    second.refresh_from_db()
    assert second.values == {"COLOUR": "blue"}
    assert Act.objects.filter(verb="changed the configuration").count() == 2


def test_a_deploy_keeps_the_configuration_it_was_asked_with() -> None:
    environment = make_environment()
    configure(environment, {"COLOUR": "blue"})
    deploy = make_deploy(environment)
    configure(environment, {"COLOUR": "green"})
    deploy.refresh_from_db()
    assert deploy.configuration.values == {"COLOUR": "blue"}


def test_a_rollback_brings_back_the_configuration_that_the_release_ran_well_with() -> None:
    environment = make_environment()
    configure(environment, {"COLOUR": "blue"})
    good = make_live(environment).release
    configure(environment, {"COLOUR": "green"})
    make_live(environment)
    assert make_rollback(environment, good).configuration.values == {"COLOUR": "blue"}


@pytest.mark.django_db(transaction=True)
def test_people_who_change_the_configuration_at_once_all_get_a_version() -> None:
    environment = make_environment()
    race(6, lambda number: requests.change_configuration(environment, {"N": str(number)}, ADA))
    versions = environment.configurations.order_by("version")
    assert [one.version for one in versions] == [1, 2, 3, 4, 5, 6, 7]
    assert sorted(one.values.get("N", "") for one in versions) == ["", "0", "1", "2", "3", "4", "5"]


@pytest.mark.django_db(transaction=True)
def test_a_release_that_is_quarantined_while_people_ask_for_it_is_never_left_waiting() -> None:
    environment = make_environment()
    for _ in range(5):
        release = make_release(environment.project)

        def ask_or_quarantine(number: int, release: Release = release) -> None:
            if number:
                requests.request(environment, release, ADA)
            else:
                with transaction.atomic():
                    releases.quarantine(release, "bad")

        results = race(4, ask_or_quarantine)
        assert results[0] is None
        assert all(result is None or isinstance(result, NotDeployable) for result in results)
        assert not environment.deploys.filter(release=release, status=Status.QUEUED).exists()


@pytest.mark.django_db(transaction=True)
def test_a_deploy_that_is_cancelled_while_it_is_claimed_is_either_stopped_or_asked_to_stop() -> None:
    for _ in range(5):
        deploy = make_deploy(make_environment())

        def claim_or_cancel(number: int, deploy: Deploy = deploy) -> None:
            if number:
                lifecycle.claim_deploy(deploy.pk, OWNER)
            else:
                requests.cancel(Deploy.objects.get(pk=deploy.pk), ADA)

        results = race(3, claim_or_cancel)
        assert results[0] is None
        assert all(result is None or isinstance(result, LostRace) for result in results)
        deploy.refresh_from_db()
        assert deploy.cancel_requested_at is not None
        assert deploy.status in (Status.CANCELLED, Status.RUNNING)
