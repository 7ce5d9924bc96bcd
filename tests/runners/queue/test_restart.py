"""A queue of deploys whose worker is killed and whose Redis is lost goes on where it was, in its order."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.db import connections

from pipelines.deploys import credentials, lifecycle, queue
from pipelines.deploys.models import Deploy, Environment
from pipelines.states import leases
from pipelines.states.status import Status
from runners.hosts import deploy as story
from runners.queue import jobs
from runners.queue.queues import Line
from runners.queue.reconciler import reconcile
from tests import factories
from tests.lab.sshd import Sshd, running_fleet
from tests.runners.hosts.sites import make_environment, make_release, on
from tests.runners.queue.waiting import until, waiting

pytestmark = pytest.mark.django_db(transaction=True)

ADA = "ada (#1)"
TELLS = "echo $SLIPWAY_RELEASE >> ../../activations; sleep 0.3"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Sshd]:
    pair = credentials.generate("tests")
    with running_fleet(tmp_path, 1, private_key=pair.private, public_key=pair.public) as servers:
        yield servers[0]


def test_the_order_of_a_queue_survives_a_killed_worker_and_a_lost_redis(host: Sshd, connection: redis.Redis) -> None:
    environment = make_environment([host])
    first, *_ = asked = [_asked(environment) for _ in range(4)]
    _kill_in_the_middle(first, host)
    queue.first(asked[3], ADA, "customers cannot pay")
    superseded, newest = _came_by_itself(environment), _came_by_itself(environment)
    order = [place.deploy.pk for place in queue.places(environment)]
    assert order == [first.pk, asked[3].pk, asked[1].pk, asked[2].pk, newest.pk]
    for pk in order:
        connection.flushall()
        reconcile(connection)
        assert waiting(connection, Line.DEPLOY) == [("run_deploy", pk)]
        jobs.run_deploy(pk)
    assert on(host, "activations").split() == [str(release) for release in (1, 4, 2, 3, 6)]
    superseded.refresh_from_db()
    assert (superseded.status, superseded.reason) == (Status.CANCELLED, "superseded by release 6")
    assert set(environment.deploys.exclude(pk=superseded.pk).values_list("status", flat=True)) == {Status.SUCCEEDED}


def _asked(environment: Environment) -> Deploy:
    return factories.make_deploy(environment, make_release(environment, activate=TELLS), actor=ADA)


def _came_by_itself(environment: Environment) -> Deploy:
    deploy = factories.make_deploy(environment, make_release(environment, activate=TELLS), automatic=True)
    queue.settle(environment.pk)
    return deploy


def _kill_in_the_middle(deploy: Deploy, host: Sshd) -> None:
    """A worker's own process begins the deploy, and is killed while the host activates it."""
    connections.close_all()  # a connection must not be shared with a child
    worker = multiprocessing.get_context("fork").Process(target=_begin, args=(deploy.pk,))
    worker.start()
    assert until(lambda: bool(on(host, "activations")))
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    Deploy.objects.filter(pk=deploy.pk).update(lease_until=leases.until(-1))


def _begin(deploy_id: int) -> None:
    story.run(lifecycle.claim_deploy(deploy_id, "doomed"))
