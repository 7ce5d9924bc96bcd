"""What was rolled back stays away until a person lets it go again, however it comes back."""

import pytest

from pipelines.deploys import queue, releases, rollbacks
from pipelines.deploys.models import Deploy, Environment, Release
from pipelines.runs import reruns
from pipelines.runs.models import EventKind, Run
from pipelines.states.status import Status
from tests.factories import finish_deploy, finish_run, make_environment, make_green_run, plan

pytestmark = pytest.mark.django_db

ADA = "ada (#1)"


@pytest.fixture
def environment() -> Environment:
    """Takes every green release by itself; release 2 was taken back to release 1."""
    environment = make_environment(automatic=True)
    for _ in range(2):
        _deployed(environment, _released(make_green_run(environment.project)))
    back = rollbacks.roll_back(environment, environment.project.releases.get(number=1), ADA, "customers complain")
    finish_deploy(back)
    return environment


def _released(run: Run) -> Release:
    made = releases.release(run)
    assert made is not None
    return made


def _deployed(environment: Environment, release: Release) -> Deploy:
    return finish_deploy(environment.deploys.get(release=release))


def _bad(environment: Environment) -> Release:
    return environment.project.releases.get(number=2)


def _again(release: Release) -> Run:
    made = reruns.rerun(release.run, ADA)
    plan(made)
    return finish_run(made)


def _waiting(environment: Environment) -> list[int]:
    return [place.deploy.release.number for place in queue.places(environment)]


def test_a_release_that_was_taken_back_is_not_deployed_by_itself_and_the_next_push_is(environment: Environment) -> None:
    releases.release(_bad(environment).run)
    queue.settle_all(environment.project)
    assert _waiting(environment) == []
    better = _released(make_green_run(environment.project))
    assert _waiting(environment) == [better.number]


def test_the_commit_of_a_bad_release_built_anew_is_held_back_with_it(environment: Environment) -> None:
    anew = _released(_again(_bad(environment)))
    assert _waiting(environment) == []
    assert anew.quarantined_because == "the commit of release 2, which is quarantined: customers complain"
    releases.lift(anew, ADA, "the disk was full, not the release bad")
    anew.refresh_from_db()
    assert anew.quarantined_at is None


def test_a_tag_on_the_commit_of_a_bad_release_is_held_back_with_it(environment: Environment) -> None:
    Environment.objects.filter(pk=environment.pk).update(ref_pattern="refs/tags/v.*")
    bad = _bad(environment)
    tagged = make_green_run(environment.project, kind=EventKind.TAG, ref="refs/tags/v2", sha=bad.sha)
    assert _released(tagged).quarantined_at
    assert _waiting(environment) == []


def test_once_a_person_has_lifted_it_the_commit_goes_by_itself_again(environment: Environment) -> None:
    releases.lift(_bad(environment), ADA, "it was the network")
    anew = _released(_again(_bad(environment)))
    assert anew.quarantined_at is None
    assert _waiting(environment) == [anew.number]
    assert _deployed(environment, anew).status == Status.SUCCEEDED
