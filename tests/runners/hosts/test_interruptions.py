"""A deploy that is stopped while its release is on the way, and two servers that meet on one host."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection

from pipelines.deploys import requests
from pipelines.deploys.models import Deploy, Environment, Phase
from pipelines.states.status import Status
from tests import factories
from tests.lab.patience import until
from tests.lab.sshd import Sshd
from tests.lab.throttle import slow_line
from tests.runners.hosts.sites import (
    HOLD,
    bring,
    current,
    let_go,
    make_environment,
    make_release,
    on,
    perform,
    text_of,
)

pytestmark = pytest.mark.django_db(transaction=True)

BYTES_PER_SECOND = 100_000
SIZE = 30_000_000


@pytest.fixture
def half_slow(hosts: list[Sshd]) -> Iterator[Environment]:
    """To web-2 an upload of so much takes minutes."""
    with slow_line(hosts[1].address, BYTES_PER_SECOND) as port:
        environment = make_environment(hosts)
        listed = environment.inventory["hosts"]
        listed[1]["port"] = port
        Environment.objects.filter(pk=environment.pk).update(inventory={"hosts": listed})
        key = environment.host_keys.get(address=hosts[1].address.host)
        key.port = port
        key.save()
        environment.refresh_from_db()
        yield environment


def performed_meanwhile(deploy: Deploy, act: Callable[[], None]) -> Deploy:
    """The deploy, performed in a thread of its own while we act."""

    def work() -> None:
        try:
            perform(deploy, "another worker")
        finally:
            connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    act()
    worker.join()
    return Deploy.objects.select_related("environment").get(pk=deploy.pk)


def test_a_deploy_that_is_cancelled_during_an_upload_ends_soon_and_leaves_no_half_release(
    hosts: list[Sshd], half_slow: Environment
) -> None:
    before = make_release(half_slow)
    assert bring(half_slow, before).status == Status.SUCCEEDED
    release = make_release(half_slow, noise=random.Random(7).randbytes(SIZE))
    deploy = factories.make_deploy(half_slow, release)
    cancelled_at: list[float] = []

    def cancel_in_between() -> None:
        until("the upload", lambda: deploy.hosts.filter(host__name="web-2", phase=Phase.UPLOADING).exists())
        time.sleep(1)
        requests.cancel(deploy, "ada (#1)")
        cancelled_at.append(time.monotonic())

    ended = performed_meanwhile(deploy, cancel_in_between)
    assert time.monotonic() - cancelled_at[0] < 120  # the rest of the upload would take longer
    assert ended.status == Status.CANCELLED, text_of(ended)
    assert "0 of 3 hosts are on the new release, the state of every host is known" in ended.reason
    assert ended.environment.current == before
    for server in hosts:
        assert current(server) == f"release {before.number}"
    until("the end of what was on the line already", lambda: not _written(hosts[1], within_seconds=1))
    assert not (hosts[1].root / f"shop/releases/{release.number}/app").exists()


def test_a_server_that_meets_another_at_work_touches_nothing_and_lets_it_end(
    hosts: list[Sshd], settings: LazySettings
) -> None:
    ours, theirs = (make_environment(hosts[:1]) for _ in range(2))
    slow = f"echo began >> ../../ledger; {HOLD}; echo ended >> ../../ledger"
    deploy = factories.make_deploy(theirs, make_release(theirs, activate=slow))
    turned_away: list[Deploy] = []
    _become(settings, "b7c1", "https://other.example")

    def meet() -> None:
        until("the activation", lambda: "began" in on(hosts[0], "ledger"))
        _become(settings, "a001", "https://ours.example")
        turned_away.append(bring(ours, make_release(ours)))
        let_go(hosts[:1])

    ended = performed_meanwhile(deploy, meet)
    assert turned_away[0].status == Status.FAILED
    assert "another Slipway server is at work on this host: b7c1 https://other.example" in turned_away[0].reason
    assert on(hosts[0], "ledger") == "began\nended\n"
    assert ended.status == Status.SUCCEEDED, text_of(ended)


def _written(server: Sshd, within_seconds: float) -> dict[str, tuple[int, int]]:
    """The files that grow meanwhile: their sizes before and after."""

    def sizes() -> dict[str, int]:
        return {str(file): file.stat().st_size for file in (server.root / "shop").rglob("*") if file.is_file()}

    before = sizes()
    time.sleep(within_seconds)
    after = sizes()
    return {name: (before.get(name, 0), size) for name, size in after.items() if before.get(name) != size}


def _become(settings: Any, name: str, url: str) -> None:
    settings.SLIPWAY_SERVER_ID, settings.SLIPWAY_URL = name, url
