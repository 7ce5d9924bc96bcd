"""Which hosts a deploy may go to, and when people are asked before."""

from typing import Any

import pytest

from pipelines.deploys import approvals, lifecycle, plans, waits
from pipelines.deploys.admission import admit
from pipelines.deploys.models import Deploy, Environment, Waits
from pipelines.deploys.plans import Listed
from pipelines.deploys.protection import agreements
from pipelines.deploys.waits import SetAside
from pipelines.projects.models import Role
from pipelines.states.status import Status
from tests.factories import OWNER, make_deploy, make_environment, make_live, make_person

pytestmark = pytest.mark.django_db

NAMES = [f"web-{number}" for number in range(1, 11)]


def listed(count: int, skip: int = 0) -> list[Listed]:
    return [Listed(name, f"127.0.9.{place}") for place, name in enumerate(NAMES, 1)][skip : skip + count]


def claimed(environment: Environment) -> Deploy:
    return lifecycle.claim_deploy(make_deploy(environment).pk, OWNER).deploy


def live(**fields: Any) -> Environment:
    """Ten hosts, all of which run something."""
    environment = make_environment(hosts=NAMES, **fields)
    make_live(environment)
    return environment


@pytest.mark.parametrize(("count", "asks"), [(10, False), (8, False), (7, False), (6, True), (1, True)])
def test_a_drop_of_more_hosts_than_may_be_missing_asks_a_person(count: int, asks: bool) -> None:
    deploy = claimed(live(max_drop=30))
    if not asks:
        admit(deploy, listed(count))
        assert deploy.environment.hosts.filter(gone_at=None).count() == count
        return
    with pytest.raises(SetAside, match=f"not {10 - count} of the 10"):
        admit(deploy, listed(count))
    stored = Deploy.objects.get(pk=deploy.pk)
    assert (stored.status, stored.waits_for, stored.started_at) == (Status.BLOCKED, Waits.HOSTS, None)
    assert deploy.environment.hosts.filter(gone_at=None).count() == 10
    assert not stored.hosts.exists()


def test_as_many_other_machines_in_the_place_of_those_of_before_ask_a_person() -> None:
    others = [Listed(f"new-{number}", f"127.0.8.{number}") for number in range(1, 11)]
    with pytest.raises(SetAside, match="not 10 of the 10"):
        admit(claimed(live()), others)
    deploy = claimed(live(max_drop=100))  # a fleet that scales by itself
    admit(deploy, others)
    assert deploy.environment.hosts.filter(gone_at=None).count() == 10


def test_the_first_deploy_to_a_place_has_nothing_to_compare_with() -> None:
    admit(claimed(make_environment()), listed(1))


def test_hosts_that_were_seen_to_go_since_the_last_deploy_still_count_as_missing() -> None:
    environment = live()
    plans.note_listed(environment, listed(2), is_whole=True)  # as an inspection does
    with pytest.raises(SetAside, match="not 8 of the 10"):
        admit(claimed(environment), listed(2))


def test_hosts_that_are_accepted_are_so_for_exactly_that_list() -> None:
    deploy = claimed(live())
    with pytest.raises(SetAside):
        admit(deploy, listed(3))
    waits.accept_hosts(deploy, "ada (#1)", deploy.plan)
    again = lifecycle.claim_deploy(deploy.pk, OWNER).deploy
    with pytest.raises(SetAside):
        admit(again, listed(3, skip=1))
    waits.accept_hosts(again, "ada (#1)", again.plan)
    admit(lifecycle.claim_deploy(deploy.pk, OWNER).deploy, listed(3, skip=1))


def test_a_drop_that_a_person_has_accepted_is_not_asked_about_again() -> None:
    environment = live()
    deploy = claimed(environment)
    with pytest.raises(SetAside):
        admit(deploy, listed(3))
    waits.accept_hosts(deploy, "ada (#1)", deploy.plan)
    again = lifecycle.claim_deploy(deploy.pk, OWNER).deploy
    admit(again, listed(3))
    lifecycle.freeze(again, [listed(3)])
    lifecycle.finish_deploy(again, Status.FAILED, "not well")
    admit(claimed(environment), listed(3))


def test_an_approval_of_other_hosts_is_void_and_the_new_ones_are_shown() -> None:
    environment = live()
    environment.approvals = 1
    environment.save()
    deploy = make_deploy(environment, actor="ada (#900001)")
    person = make_person("bob", environment.project, Role.MAINTAINER)
    approvals.approve(deploy, person, f"bob (#{person.pk})", agreements.plan_of(deploy))
    taken = lifecycle.claim_deploy(deploy.pk, OWNER).deploy
    with pytest.raises(SetAside):
        admit(taken, listed(9))
    stored = Deploy.objects.get(pk=deploy.pk)
    assert (stored.status, stored.waits_for, stored.started_at) == (Status.BLOCKED, Waits.APPROVAL, None)
    assert environment.hosts.filter(gone_at=None).count() == 9
    approvals.approve(stored, person, f"bob (#{person.pk})", agreements.plan_of(stored))
    admit(lifecycle.claim_deploy(deploy.pk, OWNER).deploy, listed(9))
