"""A server whose database was restored: its hosts remember deploys that it does not know."""

import pytest

from pipelines.audit.models import Act
from pipelines.deploys import fences, lifecycle
from pipelines.deploys.models import Environment
from pipelines.states.status import Status
from runners.hosts.forgotten import FenceForgotten
from runners.hosts.scripts.hostlock import read_refusal
from tests import factories
from tests.lab.sshd import Sshd
from tests.runners.hosts.sites import bring, current, make_environment, make_release, perform, text_of

pytestmark = pytest.mark.django_db(transaction=True)


def test_after_a_database_was_restored_a_deploy_raises_the_fence_says_so_and_goes_on(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts)
    for _ in range(2):
        assert bring(environment, make_release(environment)).status == Status.SUCCEEDED
    environment.deploys.all().delete()
    Environment.objects.filter(pk=environment.pk).update(fence=0)
    Environment.objects.filter(pk=environment.pk).update(current=None)
    environment.refresh_from_db()
    release = make_release(environment)
    deploy = factories.make_deploy(environment, release)
    with pytest.raises(FenceForgotten):
        perform(deploy)
    deploy.refresh_from_db()
    assert (deploy.status, deploy.owner, deploy.deaths) == (Status.RUNNING, "", 0)
    perform(deploy, "worker-2")
    assert deploy.status == Status.SUCCEEDED, text_of(deploy)
    assert {current(host) for host in hosts} == {f"release {release.number}"}
    assert "its database was restored since" in text_of(deploy)
    assert Act.objects.filter(verb="raised the fence", subject=str(environment)).count() == 1
    assert deploy.fence == 3


def test_a_fence_of_a_deploy_that_is_known_is_nothing_forgotten() -> None:
    environment = factories.make_environment()
    deploy = factories.make_deploy(environment)
    claimed = lifecycle.claim_deploy(deploy.pk, "worker-1").deploy
    later = factories.make_deploy(factories.make_environment())
    assert not fences.catch_up(claimed, 50, f"{later.pk}-{fences.token_of(later)}")
    environment.refresh_from_db()
    assert environment.fence == 1
    assert fences.catch_up(claimed, 50, f"{later.pk}-1")
    environment.refresh_from_db()
    assert environment.fence == 50


def test_a_refusal_by_a_fence_is_read_and_no_other() -> None:
    said = "x ended with status 73: a later deploy has this host: fence 57, deploy 300-17; ours is 3"
    assert read_refusal(said) == (57, "300-17")
    assert read_refusal("another Slipway server is at work on this host: a https://x") is None
