"""Many hosts of which a tenth vanish in the middle of a deploy, without a word. HOSTS=100 for the whole figure."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from pipelines.deploys.models import Deploy, HostDeploy
from pipelines.states.status import FINAL, Status
from tests import factories
from tests.lab.cuts import cut_off
from tests.lab.pace import slowness
from tests.lab.sshd import Sshd, running_fleet
from tests.runners.hosts.sites import make_environment, make_release, on, perform

pytestmark = pytest.mark.django_db(transaction=True)

HOSTS = int(os.environ.get("HOSTS", "20"))
CUT = HOSTS // 10
VERDICT_SECONDS = 60


@pytest.fixture
def hosts(tmp_path: Path, key_pair: tuple[str, str]) -> Iterator[list[Sshd]]:
    with running_fleet(tmp_path, HOSTS, private_key=key_pair[0], public_key=key_pair[1]) as servers:
        yield servers


@pytest.mark.alone
def test_each_host_gets_its_true_verdict_in_a_minute_when_a_tenth_are_cut_off(hosts: list[Sshd]) -> None:
    environment = make_environment(
        hosts, at_once=HOSTS // 5, max_failures="10%", max_unreachable="10%", inspect_seconds=0, on_breach="stop"
    )
    release = make_release(
        environment,
        activate="echo $SLIPWAY_RELEASE >> ../../activations; sleep 2",
        strategy={"waves": ["10%", "rest"], "parallel": HOSTS // 5, "max_failures": "10%"},
    )
    deploy = factories.make_deploy(environment, release)
    performing = threading.Thread(target=_perform, args=(deploy,))
    performing.start()
    lost = _whom_to_cut(deploy)
    with cut_off((host.address.host for host in hosts if host.address.host in lost), hosts[0].address.port):
        began = time.monotonic()
        performing.join(10 * VERDICT_SECONDS)
        took = time.monotonic() - began
    deploy.refresh_from_db()
    rows = {row.host.address: row for row in deploy.hosts.select_related("host")}
    print(f"verdict of {HOSTS} hosts {took:.1f} s after {CUT} were cut off: {deploy.status}")

    assert took <= VERDICT_SECONDS * slowness()
    assert all(row.status in FINAL for row in rows.values())
    assert {address for address, row in rows.items() if row.status != Status.SUCCEEDED} == lost
    for host in hosts:
        runs = on(host, "current/app").strip() == f"release {release.number}"
        assert runs or rows[host.address.host].status != Status.SUCCEEDED, "a false success"
        assert on(host, "activations").count("\n") <= 1, "done twice"
    assert deploy.status == Status.SUCCEEDED  # its budget allowed for them
    assert f"{CUT} of {HOSTS} hosts" in deploy.reason


def _perform(deploy: Deploy) -> None:
    try:
        perform(deploy)
    finally:
        connection.close()


def _whom_to_cut(deploy: Deploy) -> set[str]:
    """When the second wave is under way: half of them are being changed, half have not had their turn."""
    until = time.monotonic() + 240
    while time.monotonic() < until:
        rows = HostDeploy.objects.filter(deploy=deploy, wave=1).select_related("host").order_by("pk")
        busy = [row.host.address for row in rows if row.status == Status.RUNNING and row.phase == "activating"]
        waiting = [row.host.address for row in rows if row.status == Status.PENDING]
        if len(busy) >= CUT // 2 and len(waiting) >= CUT - CUT // 2:
            return {*busy[: CUT // 2], *waiting[CUT // 2 - CUT :]}
        time.sleep(0.05)
    raise AssertionError("the second wave never got under way")
