"""The same bytes on the next environment: what staging ran goes on to production, and nothing is built in between."""

import pytest

from pipelines.deploys import queue, requests
from pipelines.deploys.models import Waits
from pipelines.runs.models import Run
from pipelines.states.status import Status
from tests import factories
from tests.lab.sshd import Sshd
from tests.runners.hosts.sites import bring, make_environment, make_release, on, perform, text_of

pytestmark = pytest.mark.django_db(transaction=True)


def test_production_gets_exactly_the_commit_and_the_bytes_that_ran_in_staging(hosts: list[Sshd]) -> None:
    staging = make_environment(hosts[:1], name="staging")
    production = make_environment(hosts[1:2], project=staging.project, after=staging, inspect_seconds=0)
    tells = "echo $SLIPWAY_SHA > ../../commit"
    tested = make_release(staging, activate=tells)
    early = requests.request(production, tested, "ada (#1)")
    assert (early.status, early.waits_for) == (Status.BLOCKED, Waits.BEFORE)
    assert bring(staging, tested).status == Status.SUCCEEDED
    make_release(staging, activate=tells)  # a later push, which staging has not run
    runs = Run.objects.count()
    queue.settle(production.pk)
    deploy = perform(early)
    assert deploy.status == Status.SUCCEEDED, text_of(deploy)
    assert Run.objects.count() == runs
    for path in ("commit", "current/.slipway-digest", "current/.slipway-files", "current/app"):
        assert on(hosts[0], path) == on(hosts[1], path) != ""
    assert on(hosts[1], "commit").strip() == tested.sha == tested.run.sha
    assert on(hosts[1], "current/.slipway-digest").strip() == tested.digest
    early_next = factories.make_deploy(production, staging.project.releases.get(number=2), actor="ada (#1)")
    queue.settle(production.pk)
    early_next.refresh_from_db()
    assert (early_next.status, early_next.waits_for) == (Status.BLOCKED, Waits.BEFORE)
