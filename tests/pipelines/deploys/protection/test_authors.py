"""Whose work a deploy brings: their word on it does not count."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import DjangoAssertNumQueries

from pipelines.deploys import approvals, requests
from pipelines.deploys.approvals import NotYours
from pipelines.deploys.models import Deploy, Environment, Release
from pipelines.deploys.protection.lineage import Push, between
from pipelines.deploys.settling import fetch, settle
from pipelines.projects.models import Role
from pipelines.runs.models import EventKind, Identity
from server.access import actor
from tests.factories import (
    list_hosts,
    make_environment,
    make_event,
    make_live,
    make_person,
    make_red_run,
    make_release,
    make_sha,
    unique,
)

pytestmark = pytest.mark.django_db

PUSHER = 4711  # at the code host


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


def _known(person: User, number: int = PUSHER) -> User:
    Identity.objects.create(user=person, code_host_id=number)
    return person


def test_who_pushed_the_release_does_not_approve_it(environment: Environment, ada: User, bob: User) -> None:
    deploy = _ask(environment, ada, _release(environment, actor="whoever", actor_id=PUSHER))
    with pytest.raises(NotYours, match="who wrote some of what it brings"):
        _approve(deploy, _known(bob))


def test_who_pushed_an_earlier_commit_that_comes_along_does_not_approve_it(
    environment: Environment, ada: User, bob: User
) -> None:
    environment.approvals = 0
    environment.save()
    make_live(environment, _release(environment))
    _release(environment, actor_id=PUSHER)
    newest = _release(environment)
    Environment.objects.update(approvals=1)
    environment.refresh_from_db()
    deploy = _ask(environment, ada, newest)
    with pytest.raises(NotYours, match="who wrote some of what it brings"):
        _approve(deploy, _known(bob))


def test_a_commit_whose_run_was_red_comes_along_as_well(environment: Environment, ada: User, bob: User) -> None:
    make_live(environment, _release(environment), override="the first")
    make_red_run(environment.project, actor=unique("stranger"), actor_id=PUSHER)
    deploy = _ask(environment, ada)
    assert approvals.why_not(deploy, _known(bob)) == "who wrote some of what it brings does not approve it"


def test_who_pushed_what_is_live_already_may_approve_what_comes_after_it(
    environment: Environment, ada: User, bob: User
) -> None:
    make_live(environment, _release(environment, actor_id=PUSHER), override="the first")
    assert approvals.why_not(_ask(environment, ada), _known(bob)) == ""


def test_who_pushed_a_commit_to_another_branch_before_it_was_merged_does_not_approve_it(
    environment: Environment, ada: User, bob: User
) -> None:
    work = make_sha()
    make_event(environment.project, ref="refs/heads/feature", sha=work, actor_id=PUSHER)
    merge = {"commits": [{"id": work, "author": {"name": "Bob", "username": "bobby"}}]}
    deploy = _ask(environment, ada, _release(environment, payload=merge))
    assert approvals.why_not(deploy, _known(bob)) == "who wrote some of what it brings does not approve it"


def test_whose_account_the_code_host_names_as_a_commit_s_author_does_not_approve_it(
    environment: Environment, ada: User, bob: User
) -> None:
    merge = {"commits": [{"id": make_sha(), "author": {"name": "B.", "username": "Bob"}}, "odd", {"id": 3}]}
    deploy = _ask(environment, ada, _release(environment, payload=merge))
    assert approvals.why_not(deploy, bob) == "who wrote some of what it brings does not approve it"
    assert approvals.why_not(deploy, make_person("", environment.project, Role.MAINTAINER)) == ""


def test_the_pusher_of_a_tag_s_branch_does_not_approve_the_tag(environment: Environment, ada: User, bob: User) -> None:
    environment.ref_pattern = "refs/tags/v*"
    environment.save()
    tag = {"kind": EventKind.TAG}
    make_live(environment, _release(environment, ref="refs/tags/v1", **tag), override="the first")
    _release(environment, actor_id=PUSHER)
    deploy = _ask(environment, ada, _release(environment, ref="refs/tags/v2", **tag))
    assert approvals.why_not(deploy, _known(bob)) == "who wrote some of what it brings does not approve it"


def test_a_commit_s_author_with_another_name_here_is_known_by_the_number_that_the_code_host_told(
    environment: Environment, ada: User, bob: User
) -> None:
    make_event(environment.project, ref="refs/heads/feature", actor="Bob-GH", actor_id=PUSHER)
    squashed = {"commits": [{"id": make_sha(), "author": {"username": "bob-gh"}}]}
    deploy = _ask(environment, ada, _release(environment, payload=squashed))
    assert approvals.why_not(deploy, _known(bob)) == "who wrote some of what it brings does not approve it"


def test_who_pushed_to_the_branch_of_a_tag_does_not_approve_it_whichever_branch_that_is(
    environment: Environment, ada: User, bob: User
) -> None:
    """v1 and v2 lie on a release branch: bob's push came between them, and another's before v1."""
    environment.ref_pattern = "refs/tags/v*"
    environment.save()
    carol = make_person("carol", environment.project, Role.MAINTAINER)
    branch, tag = "refs/heads/release/1.x", {"kind": EventKind.TAG, "before": "0" * 40}
    first, second, third = (make_sha() for _ in range(3))

    def push(sha: str, before: str = "", **fields: Any) -> None:
        payload = {"commits": [{"id": sha}]}
        make_event(environment.project, ref=branch, sha=sha, before=before, payload=payload, **fields)

    push(first, actor=carol.get_username())
    make_live(environment, _release(environment, ref="refs/tags/v1", sha=first, **tag), override="the first")
    push(second, first, actor_id=PUSHER)
    push(third, second)
    deploy = _ask(environment, ada, _release(environment, ref="refs/tags/v2", sha=third, **tag))
    assert approvals.why_not(deploy, _known(bob)) == "who wrote some of what it brings does not approve it"
    assert approvals.why_not(deploy, carol) == ""


def test_between_two_commits_lie_the_pushes_of_one_history_alone() -> None:
    def push(sha: str, before: str, *commits: str) -> Push:
        return Push(sha, before, "", None, tuple((commit, "") for commit in commits))

    main = push("m1", "m0", "m1")
    branch = push("r1", "0", "r1")
    feature = push("f2", "0", "f1", "f2")
    merge = push("m4", "m1", "f1", "f2", "m3", "m4")
    later = push("m5", "m4", "m5")
    told = [main, branch, feature, merge, later]
    assert between(told, "m1", "m4") == [feature, merge]
    assert between(told, "m4", "m1") == between(told, "m5", "m5") == []
    assert between(told, "m1", "f1") == [feature]
    assert between(told, "m3", "m4") == [merge]  # it came as a whole
    assert between(told, "f2", "m3") == [main, merge]  # nobody tells what a new branch grew from
    assert between(told, "unknown", "r1") == [branch]


def test_whose_work_it_is_is_worked_out_again_only_when_there_is_news(
    environment: Environment, ada: User, bob: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    Environment.objects.update(approvals=2)
    environment.refresh_from_db()
    make_live(environment, _release(environment), override="the first")
    for _ in range(5):
        make_event(environment.project, payload={"commits": [{"id": make_sha()}]})
    deploy = _ask(environment, ada)
    _approve(deploy, bob)
    with django_assert_max_num_queries(10):
        settle(environment.pk)
    _known(bob)
    make_event(environment.project, ref="refs/heads/feature", sha=deploy.release.sha, actor_id=PUSHER)
    assert approvals.why_not(fetch(deploy.pk), bob) == "who wrote some of what it brings does not approve it"
