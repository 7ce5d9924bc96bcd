"""Steps of a deploy that has ended and still run on a host when another one comes, dash and busybox alike."""

import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import LazySettings

from pipelines.states.status import Status
from runners.hosts.scripts.hostlock import Claim
from runners.hosts.scripts.layout import Layout
from runners.hosts.scripts.states import HostState, Needs, parse_state, preflight
from runners.hosts.ssh.connection import Connection, ConnectionLost, check
from runners.hosts.steps import Step, run_step
from tests.lab.sshd import Sshd
from tests.runners.hosts.conftest import open_connection
from tests.runners.hosts.scripts.test_commands import busybox_directory
from tests.runners.hosts.sites import bring, make_environment, make_release, on, text_of

__all__ = ["busybox_directory"]

OLD, NEW = Claim(deploy=7, fence=3, token="1"), Claim(deploy=8, fence=4, token="2")


@pytest.fixture(params=["dash", "busybox"])
def server(request: pytest.FixtureRequest, own_sshd: Callable[..., Sshd], busybox_directory: Path) -> Sshd:
    return own_sshd(**({"path": str(busybox_directory)} if request.param == "busybox" else {}))


def look(connection: Connection, layout: Layout, claim: Claim) -> HostState:
    return parse_state(check(connection, preflight(layout, claim, Needs(1, "d")), "preparing", deadline_seconds=60))


def leave_running(server: Sshd, name: str) -> tuple[Layout, str]:
    """A step of OLD whose worker has lost it; gives the needle that finds its processes."""
    layout, needle = Layout(str(server.root / "the app")), f"needle-{uuid.uuid4().hex}"
    connection = open_connection(server)
    look(connection, layout, OLD)
    step = Step(name, f"trap '' TERM; echo begun; sleep 300; : {needle}", layout.path, 300)
    with pytest.raises(ConnectionLost):
        run_step(connection, layout, OLD, step, on_output=lambda data: server.drop_connections())
    assert server.processes(needle) != []
    return layout, needle


def test_a_step_of_a_deploy_that_has_ended_is_ended_and_gone_before_another_begins(server: Sshd) -> None:
    layout, needle = leave_running(server, "activate")
    assert look(open_connection(server), layout, NEW).ended == ("activate",)
    assert server.processes(needle) == []
    assert look(open_connection(server), layout, NEW).ended == ()


def test_a_deploy_leaves_its_own_steps_running_for_the_worker_that_takes_over(server: Sshd) -> None:
    layout, needle = leave_running(server, "activate")
    assert look(open_connection(server), layout, Claim(7, 9, "1")).ended == ()
    assert server.processes(needle) != []
    look(open_connection(server), layout, Claim(8, 10, "2"))


def test_a_migration_of_another_deploy_is_told_and_left_alone(server: Sshd) -> None:
    layout, needle = leave_running(server, "migrate")
    state = look(open_connection(server), layout, NEW)
    assert state.ended == ()
    assert state.migrating.isdecimal()
    assert server.processes(needle) != []
    check(open_connection(server), f"kill -9 -{state.migrating}", "ending it", deadline_seconds=60)
    assert look(open_connection(server), layout, NEW).migrating == ""


def test_a_daemon_that_an_ended_step_left_goes_on(server: Sshd) -> None:
    layout = Layout(str(server.root / "the app"))
    connection, needle = open_connection(server), f"needle-{uuid.uuid4().hex}"
    look(connection, layout, OLD)
    step = Step("activate", f"sh -c 'sleep 120; : {needle}' > /dev/null 2>&1 &", layout.path, 120)
    assert run_step(connection, layout, OLD, step, on_output=lambda data: None) == 0
    look(connection, layout, NEW)
    assert server.processes(needle) != []


@pytest.mark.django_db(transaction=True)
def test_no_deploy_begins_beside_a_migration_that_still_runs(hosts: list[Sshd], settings: LazySettings) -> None:
    environment = make_environment(hosts, max_failures="2", max_unreachable="2", on_breach="stop")
    claim = Claim(deploy=0, fence=0, token="old", server=settings.SLIPWAY_SERVER_ID)
    layout, connection = Layout("/srv/shop"), open_connection(hosts[0])
    look(connection, layout, claim)
    step = Step("migrate", "echo begun >> /srv/shop/migrations; sleep 120", "/srv", 300)
    running = threading.Thread(target=lambda: _lose(connection, layout, claim, step))
    running.start()
    while not on(hosts[0], "migrations"):
        time.sleep(0.05)
    hosts[0].drop_connections()
    running.join()
    deploy = bring(environment, make_release(environment, strategy={"waves": [1, "rest"], "max_failures": 2}))
    assert deploy.status == Status.FAILED, text_of(deploy)
    assert "the migration of an earlier deploy still runs on this host" in deploy.reason
    assert [on(host, "migrations") for host in hosts] == ["begun\n", "", ""]
    assert not deploy.hosts.filter(switched=True).exists()


def _lose(connection: Connection, layout: Layout, claim: Claim, step: Step) -> None:
    with pytest.raises(ConnectionLost):
        run_step(connection, layout, claim, step, on_output=lambda data: None)
