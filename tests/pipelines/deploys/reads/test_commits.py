"""Which commits lie between two releases."""

from collections.abc import Sequence

import pytest
from pytest_django import DjangoAssertNumQueries

from pipelines.deploys.models import Release
from pipelines.deploys.reads import commits
from pipelines.projects.models import Project
from pipelines.runs.models import Event
from tests.factories import make_event, make_project, make_release, make_sha

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return make_project()


def release(project: Project, title: str, before: Sequence[str] = (), **fields: str) -> Release:
    """Of a push that told of the commits `before` its own."""
    sha = make_sha(title)
    told = [
        {"id": make_sha(one), "message": f"{one}\n\nmore", "author": {"username": "bob"}} for one in (*before, title)
    ]
    return make_release(project, sha=sha, title=title, actor="dana", payload={"commits": told}, **fields)


def test_the_commits_of_every_push_in_between_come_newest_first(project: Project) -> None:
    first, _, last = release(project, "a"), release(project, "b", ["b1", "b2"]), release(project, "c")
    found = commits.between(first, last)
    assert [commit.title for commit in found.listed] == ["c", "b", "b2", "b1"]
    assert (found.total, found.whole, found.authors) == (4, True, ["bob"])


def test_backwards_they_are_the_same(project: Project) -> None:
    first, last = release(project, "a"), release(project, "b")
    assert commits.between(last, first) == commits.between(first, last)


def test_a_push_without_a_release_counts_as_well(project: Project) -> None:
    first = release(project, "a")
    make_event(project, sha=make_sha("red"), title="red", actor="erin", payload=None)
    make_event(project, ref="refs/heads/other", sha=make_sha("other"), title="other")
    last = release(project, "b")
    assert [(one.title, one.author) for one in commits.between(first, last).listed] == [("b", "bob"), ("red", "erin")]


def test_what_a_payload_says_is_read_with_care(project: Project) -> None:
    first, last = release(project, "a"), release(project, "b")
    told = [{"id": 7}, "x", {"id": make_sha("b"), "message": None, "author": "bob"}, None]
    Event.objects.filter(run=last.run).update(payload={"commits": told})
    assert [(one.sha, one.title, one.author) for one in commits.between(first, last).listed] == [
        (make_sha("b"), "", "")
    ]
    Event.objects.filter(run=last.run).update(payload={"outline": {}})
    assert [(one.title, one.author) for one in commits.between(first, last).listed] == [("b", "dana")]


def test_between_different_refs_only_the_release_itself_is_known(project: Project) -> None:
    first = release(project, "a")
    last = make_release(project, ref="refs/heads/next", title="z", author="zoe")
    found = commits.between(first, last)
    assert ([commit.title for commit in found.listed], found.whole) == (["z"], False)


def test_before_the_first_there_is_nothing(project: Project) -> None:
    found = commits.between(None, release(project, "a"))
    assert ([commit.title for commit in found.listed], found.whole) == (["a"], True)


def test_many_pairs_take_two_queries(project: Project, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    made = [release(project, title) for title in "abcd"]
    other = make_project()
    more = [release(other, title) for title in "ab"]
    with django_assert_num_queries(2):
        found = commits.of_pairs([(made[0], made[3]), (made[1], made[2]), (more[0], more[1]), (None, made[0])])
    assert [one.total for one in found] == [3, 1, 1, 1]


def test_of_very_many_the_newest_are_listed(project: Project) -> None:
    first = release(project, "a")
    found = commits.between(first, release(project, "b", [f"n{number}" for number in range(60)]))
    assert (len(found.listed), found.left_out, found.total) == (commits.SHOWN, 61 - commits.SHOWN, 61)
