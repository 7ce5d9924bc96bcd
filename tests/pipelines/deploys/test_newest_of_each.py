"""The newest deploys of each environment, whatever lies below."""

import pytest

from pipelines.deploys.models import Deploy, Environment
from pipelines.deploys.reads import newest, queries
from pipelines.states.status import Status
from tests.factories import finish_deploy, make_deploy, make_environment, make_live, make_project

pytestmark = pytest.mark.django_db


def test_the_newest_of_each_environment_are_found_and_no_more() -> None:
    project = make_project()
    first, second = make_environment(project, "first"), make_environment(project, "second")
    old, new = make_live(first), make_live(first)
    only = make_live(second)
    assert sorted(newest.of_each(Environment.objects.all(), Deploy.objects.all())) == [new.pk, only.pk]
    assert sorted(newest.of_each(Environment.objects.all(), Deploy.objects.all(), 3)) == [old.pk, new.pk, only.pk]
    assert newest.of_each(Environment.objects.none(), Deploy.objects.all()) == []


def test_what_brought_the_live_release_is_not_the_failed_deploy_after_it() -> None:
    environment = make_environment(make_project())
    live = make_live(environment)
    finish_deploy(make_deploy(environment), Status.FAILED)
    assert newest.brought_live(Environment.objects.all()) == {environment.pk: live}
    assert [one.status for one in queries.broken([environment.project])] == ["failed"]
