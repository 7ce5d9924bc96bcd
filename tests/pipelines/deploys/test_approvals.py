"""Who agrees to a deploy, to what exactly, and whose word does not count."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.utils import timezone

from pipelines.audit.models import Act
from pipelines.deploys import admission, approvals, lifecycle, queue, requests
from pipelines.deploys.approvals import NotYours
from pipelines.deploys.models import Deploy, DeployKind, Environment, Release, Waits
from pipelines.deploys.plans import Listed
from pipelines.deploys.protection.agreements import least_role
from pipelines.deploys.settling import fetch
from pipelines.deploys.waits import SetAside
from pipelines.errors import LostRace, UserError
from pipelines.projects.models import Member, Role
from pipelines.states.status import Status
from server import access
from server.access import actor
from tests.factories import (
    OWNER,
    configure,
    finish_deploy,
    list_hosts,
    make_deploy,
    make_environment,
    make_live,
    make_person,
    make_release,
    unique,
)
from tests.rivals import race

pytestmark = pytest.mark.django_db


@pytest.fixture
def environment() -> Environment:
    environment = make_environment(approvals=1)
    list_hosts(environment, ["web-1", "web-2"])
    return environment


@pytest.fixture
def ada() -> User:
    return make_person("ada-l")


@pytest.fixture
def bob(environment: Environment) -> User:
    return make_person("bob", environment.project, Role.MAINTAINER)


def _ask(environment: Environment, person: User, release: Release | None = None) -> Deploy:
    return requests.request(environment, release or _release(environment), actor(person))


def _release(environment: Environment, **fields: Any) -> Release:
    return make_release(environment.project, **{"actor": unique("stranger"), **fields})


def _approve(deploy: Deploy, person: User) -> bool:
    enough = approvals.approve(deploy, person, actor(person), approvals.plan_of(deploy))
    deploy.refresh_from_db()
    return enough


def test_a_deploy_waits_for_somebody_else_to_agree_and_goes_on_when_they_have(
    environment: Environment, ada: User, bob: User
) -> None:
    deploy = _ask(environment, ada)
    assert (deploy.status, deploy.waits_for) == (Status.BLOCKED, Waits.APPROVAL)
    assert deploy.reason == "0 of 1 person have agreed"
    assert _approve(deploy, bob)
    assert (deploy.status, deploy.waits_for) == (Status.QUEUED, "")
    act = Act.objects.get(verb="approved")
    assert (act.actor, act.subject) == (actor(bob), str(deploy))
    assert [word.actor for word in approvals.words(deploy)] == [actor(bob)]


def test_as_many_agree_as_the_environment_asks_for_and_nobody_twice(
    environment: Environment, ada: User, bob: User
) -> None:
    environment.approvals = 2
    environment.save()
    deploy = _ask(environment, ada)
    assert [_approve(deploy, bob), _approve(deploy, bob)] == [False, False]
    assert deploy.reason == "1 of 2 people have agreed"
    assert _approve(deploy, make_person("", environment.project, Role.MAINTAINER))
    assert deploy.status == Status.QUEUED


def test_automatic_deploys_wait_for_people_too(environment: Environment) -> None:
    environment.automatic = True
    environment.save()
    deploy = environment.deploys.get(release=_release(environment))
    assert (deploy.automatic, deploy.waits_for) == (True, Waits.APPROVAL)


def test_who_asked_for_a_deploy_does_not_approve_it(environment: Environment, ada: User) -> None:
    deploy = _ask(environment, ada)
    with pytest.raises(NotYours, match="who asked for a deploy does not approve it"):
        _approve(deploy, ada)


def test_only_members_of_the_team_approve(environment: Environment, ada: User, bob: User) -> None:
    environment.approver_team = Group.objects.create(name="release managers")
    environment.save()
    deploy = _ask(environment, ada)
    assert deploy.reason == "0 of 1 person of release managers have agreed"
    with pytest.raises(NotYours, match="it asks for somebody of release managers"):
        _approve(deploy, bob)
    bob.groups.add(environment.approver_team)
    assert _approve(deploy, bob)


# What they agree to


def test_a_word_counts_for_exactly_the_plan_that_was_shown(environment: Environment, ada: User, bob: User) -> None:
    deploy = _ask(environment, ada)
    seen = approvals.plan_of(deploy)
    environment.hosts.create(name="web-3", address="127.0.9.3", listed_at=timezone.now())
    with pytest.raises(UserError, match="has changed since you looked"):
        approvals.approve(deploy, bob, actor(bob), seen)
    assert not approvals.words(deploy)


def test_a_word_is_void_when_other_hosts_are_known(environment: Environment, ada: User, bob: User) -> None:
    deploy = _ask(environment, ada)
    _approve(deploy, bob)
    environment.hosts.filter(name="web-1").update(address="10.9.9.9")
    queue.settle(environment.pk)
    deploy.refresh_from_db()
    assert (deploy.status, deploy.reason) == (Status.BLOCKED, "0 of 1 person have agreed")
    assert _approve(deploy, bob)


def test_hosts_that_come_to_light_when_it_begins_void_the_approval_before_anything_is_touched(
    environment: Environment, ada: User, bob: User
) -> None:
    deploy = _ask(environment, ada)
    _approve(deploy, bob)
    claimed = lifecycle.claim_deploy(deploy.pk, OWNER).deploy
    listed = [Listed(f"web-{place}", f"127.0.9.{place}") for place in (1, 2, 3)]
    with pytest.raises(SetAside):
        admission.admit(claimed, listed)
    queue.settle(environment.pk)
    deploy.refresh_from_db()
    assert (deploy.status, deploy.waits_for, deploy.started_at) == (Status.BLOCKED, Waits.APPROVAL, None)
    assert _approve(deploy, bob)
    admission.admit(lifecycle.claim_deploy(deploy.pk, OWNER).deploy, listed)


def test_the_plan_is_another_with_another_release_configuration_or_host(environment: Environment, ada: User) -> None:
    release = _release(environment)
    first = _ask(environment, ada, release)
    plans = {approvals.plan_of(first)}
    assert approvals.plan_of(_ask(environment, ada, release)) in plans
    configure(environment, {"COLOUR": "red"})
    plans.add(approvals.plan_of(_ask(environment, ada, release)))
    plans.add(approvals.plan_of(_ask(environment, ada)))
    environment.hosts.filter(name="web-1").update(gone_at=timezone.now())
    plans.add(approvals.plan_of(first))
    assert len(plans) == 4


@pytest.mark.parametrize("changed", [{"port": 2222}, {"group": "green"}])
def test_the_plan_is_another_when_a_host_has_another_port_or_group(
    environment: Environment, ada: User, changed: dict[str, Any]
) -> None:
    deploy = _ask(environment, ada)
    seen = approvals.plan_of(deploy)
    environment.hosts.filter(name="web-1").update(**changed)
    assert approvals.plan_of(deploy) != seen


@pytest.mark.parametrize(
    "changed",
    [
        *({"strategy": {"kind": "rolling"}}, {"at_once": 50}, {"ssh_port": 2222}),
        *({"max_failures": "100%"}, {"max_unreachable": "100%"}, {"on_breach": "stop"}),
    ],
)
def test_the_plan_is_another_when_it_would_go_less_carefully(
    environment: Environment, ada: User, changed: dict[str, Any]
) -> None:
    deploy = _ask(environment, ada)
    seen = approvals.plan_of(deploy)
    Environment.objects.filter(pk=environment.pk).update(**changed)
    assert approvals.plan_of(fetch(deploy.pk)) != seen


def test_a_word_no_longer_counts_when_its_person_has_left(environment: Environment, ada: User, bob: User) -> None:
    deploy = _ask(environment, ada)
    _approve(deploy, bob)
    bob.is_active = False
    bob.save()
    queue.settle(environment.pk)
    deploy.refresh_from_db()
    assert deploy.waits_for == Waits.APPROVAL


# No


def test_a_deploy_that_is_refused_is_cancelled_with_the_reason(environment: Environment, ada: User, bob: User) -> None:
    deploy = _ask(environment, ada)
    approvals.refuse(deploy, bob, actor(bob), "not before the sale")
    deploy.refresh_from_db()
    assert (deploy.status, deploy.reason) == (Status.CANCELLED, f"refused by {actor(bob)}: not before the sale")
    assert deploy.log.closed_at is not None
    assert Act.objects.get(verb="refused").reason == "not before the sale"
    with pytest.raises(LostRace, match="no longer waits for approval"):
        _approve(deploy, bob)


def test_a_word_is_of_who_still_has_the_role_in_the_project(environment: Environment, ada: User, bob: User) -> None:
    deploy = _ask(environment, ada)
    _approve(deploy, bob)
    Member.objects.filter(team__in=bob.groups.all()).update(role=Role.DEVELOPER)
    queue.settle(environment.pk)
    deploy.refresh_from_db()
    assert (deploy.status, deploy.reason) == (Status.BLOCKED, "0 of 1 person have agreed")
    assert approvals.why_not(deploy, bob) == f"it takes the role maintainer in {environment.project}"
    environment.approver_team = bob.groups.get()
    environment.save()
    assert _approve(deploy, bob)
    Member.objects.all().delete()
    queue.settle(environment.pk)
    deploy.refresh_from_db()
    assert deploy.waits_for == Waits.APPROVAL


def test_a_word_keeps_counting_for_as_long_as_access_would_take_it(environment: Environment) -> None:
    assert least_role(environment) == access.least_role(access.approving(environment))
    environment.approver_team = Group.objects.create(name="release managers")
    assert least_role(environment) == access.least_role(access.approving(environment))


def test_what_no_approval_holds_is_not_cancelled_by_a_word(environment: Environment, bob: User) -> None:
    good = make_live(environment, override="the first").release
    failed = finish_deploy(make_deploy(environment, override="the next"), Status.FAILED)
    undo = Deploy.objects.get(undoes=failed)
    repair = make_deploy(environment, good, kind=DeployKind.REPAIR)
    overridden = make_deploy(environment, override="it is urgent")
    back = make_deploy(environment, good, kind=DeployKind.ROLLBACK)
    for deploy in (undo, repair, overridden, back):
        with pytest.raises(UserError, match="asks for no approval"):
            approvals.refuse(deploy, bob, actor(bob))
        with pytest.raises(UserError, match="asks for no approval"):
            _approve(deploy, bob)
        deploy.refresh_from_db()
        assert deploy.status == Status.QUEUED


def test_who_asked_cannot_refuse_it_either(environment: Environment, ada: User) -> None:
    with pytest.raises(NotYours):
        approvals.refuse(_ask(environment, ada), ada, actor(ada))


def test_what_has_begun_is_neither_approved_nor_refused(environment: Environment, ada: User, bob: User) -> None:
    deploy = _ask(environment, ada)
    _approve(deploy, bob)
    lifecycle.claim_deploy(deploy.pk, OWNER)
    for say in (lambda: _approve(deploy, bob), lambda: approvals.refuse(deploy, bob, actor(bob))):
        with pytest.raises(LostRace):
            say()


def test_an_environment_that_asks_nobody_takes_no_words(ada: User, bob: User) -> None:
    deploy = _ask(make_environment(), ada)
    with pytest.raises(UserError, match="asks for no approval"):
        _approve(deploy, bob)


def test_a_deploy_that_nobody_agreed_to_cannot_be_claimed(environment: Environment) -> None:
    deploy = make_deploy(environment)
    with pytest.raises(LostRace, match="0 of 1 person have agreed"):
        lifecycle.claim_deploy(deploy.pk, OWNER)


@pytest.mark.django_db(transaction=True)
def test_people_who_agree_and_refuse_at_the_same_moment_come_to_one_verdict() -> None:
    environment = make_environment(approvals=2)
    people = [make_person("", environment.project, Role.MAINTAINER) for _ in range(4)]
    for _ in range(4):
        deploy = _ask(environment, make_person())

        def say(number: int, deploy: Deploy = deploy) -> None:
            person, found = people[number], Deploy.objects.get(pk=deploy.pk)
            if number == 3:
                approvals.refuse(found, person, actor(person))
            else:
                approvals.approve(found, person, actor(person), approvals.plan_of(found))

        results = race(4, say)
        deploy.refresh_from_db()
        assert all(result is None or isinstance(result, LostRace) for result in results)
        assert deploy.status == Status.CANCELLED
    last = _ask(environment, make_person())
    assert race(3, lambda number: _approve(Deploy.objects.get(pk=last.pk), people[number])).count(False) == 1
    last.refresh_from_db()
    assert last.status == Status.QUEUED
    finish_deploy(last)
