"""Hosts leave a real HAProxy and come back; what the lanes are told when that does not go well."""

import contextlib
import http.server
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pipelines.deploys.models import Deploy, DeployKind, Environment, HostDeploy, Phase
from pipelines.states.status import Status
from runners.balancers.balancer import BadBalancer, Server, UnknownServer
from runners.balancers.haproxy import HAProxy
from runners.hosts.balanced import Balanced, LastServer, NotTaken, traffic_of
from runners.hosts.ssh.connection import CommandCancelled, never
from runners.hosts.traffic import NoBalancer, NoTraffic
from tests import factories
from tests.lab.haproxy import Proxy, haproxy
from tests.lab.patience import until

pytestmark = pytest.mark.django_db(transaction=True)


class _Shop(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/slow":
            _Quiet.asked += 1
            _Quiet.let_go.wait(120)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class _Quiet(http.server.ThreadingHTTPServer):
    asked = 0
    let_go = threading.Event()

    def handle_error(self, *_: object) -> None:
        """HAProxy's checks hang up before they are answered in full."""


@contextlib.contextmanager
def program(port: int = 0) -> Iterator[int]:
    server = _Quiet(("127.0.0.1", port), _Shop)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@dataclass
class Place:
    """A lane as traffic sees it; commands are run here."""

    row: HostDeploy
    said: list[str] = field(default_factory=list)

    def note(self, phase: Phase, *lines: str) -> None:
        self.said += lines

    def do(self, script: str, what: str, deadline_seconds: float) -> str:
        return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    with program() as one, program() as other:
        places = {"web-1": f"127.0.0.1:{one}", "web-2": f"127.0.0.1:{other}"}
        with haproxy(tmp_path / "haproxy", places) as running:
            yield running


@pytest.fixture
def deploy(proxy: Proxy) -> Deploy:
    settings = proxy.settings(drain_seconds=30, attach_seconds=30)
    environment = factories.make_environment(balancer_kind="haproxy", balancer=settings)
    return factories.begin_deploy(factories.make_deploy(environment))


def place(deploy: Deploy, name: str) -> Place:
    row = deploy.hosts.select_related("host", "log", "deploy").get(host__name=name)
    row.deploy = deploy
    return Place(row)


def traffic(deploy: Deploy, cancelled: Callable[[], bool] = never) -> Balanced:
    made = traffic_of(deploy, print, cancelled=cancelled)
    assert isinstance(made, Balanced)
    return made


def status(proxy: Proxy, name: str) -> str:
    with socket.socket(socket.AF_UNIX) as door:
        door.connect(str(proxy.directory / "admin.sock"))
        door.sendall(b"show stat shop 4 -1\n")
        answer = door.makefile().read()
    return next(line.split(",")[17] for line in answer.splitlines() if line.startswith(f"shop,{name},"))


@contextlib.contextmanager
def open_requests(proxy: Proxy, count: int) -> Iterator[None]:
    """Requests that last until they are let go, by turns to each server."""
    _Quiet.asked = 0
    _Quiet.let_go.clear()
    with contextlib.ExitStack() as stack:
        stack.callback(_Quiet.let_go.set)
        for _ in range(count):
            door = stack.enter_context(socket.create_connection(("127.0.0.1", proxy.port)))
            door.sendall(b"GET /slow HTTP/1.1\r\nHost: shop\r\n\r\n")
        until("the requests", lambda: _Quiet.asked == count)
        yield


def test_open_requests_are_waited_for_and_the_log_says_so(deploy: Deploy, proxy: Proxy) -> None:
    deploy.environment.balancer = proxy.settings(drain_seconds=120)
    lane = place(deploy, "web-1")

    def end_them() -> None:
        until("the drain", lambda: "2 connections open" in lane.said)
        _Quiet.let_go.set()

    with open_requests(proxy, 4):
        ending = threading.Thread(target=end_them)
        ending.start()
        traffic(deploy).drain(lane)
        ending.join()
    assert lane.said[:2] == ["$ haproxy: set server shop/web-1 state drain", "2 connections open"]
    assert lane.said[2].startswith("0 connections open after ")
    assert status(proxy, "web-1") == "MAINT"


def test_requests_that_do_not_end_are_not_waited_for_longer_than_was_set(deploy: Deploy, proxy: Proxy) -> None:
    deploy.environment.balancer = proxy.settings(drain_seconds=0.3)
    lane = place(deploy, "web-1")
    with open_requests(proxy, 2):
        traffic(deploy).drain(lane)
    assert "1 connection open after " in lane.said[2]
    assert "nobody waits for them any longer" in lane.said[2]


def test_a_worker_that_takes_over_drains_and_attaches_again(deploy: Deploy, proxy: Proxy) -> None:
    for _ in range(2):
        traffic(deploy).drain(place(deploy, "web-1"))
    for _ in range(2):
        traffic(deploy).attach(place(deploy, "web-1"))
    assert status(proxy, "web-1") == "UP"


def test_the_last_server_is_not_taken_from_the_users(deploy: Deploy, proxy: Proxy) -> None:
    deploy.environment.balancer = proxy.settings(drain_seconds=0.2, attach_seconds=0.2)
    both = traffic(deploy)
    both.drain(place(deploy, "web-1"))
    with pytest.raises(LastServer, match="leave nobody to serve"):
        both.drain(place(deploy, "web-2"))
    assert status(proxy, "web-2") == "UP"


def test_of_two_that_are_left_the_second_waits_until_the_first_is_back(deploy: Deploy, proxy: Proxy) -> None:
    both, second = traffic(deploy), place(deploy, "web-2")
    both.drain(place(deploy, "web-1"))
    waiting = threading.Thread(target=both.drain, args=(second,))
    waiting.start()
    until("the second waits", lambda: "waits: nobody else gets requests from haproxy backend shop now" in second.said)
    both.attach(place(deploy, "web-1"))
    waiting.join(60)
    assert (status(proxy, "web-1"), status(proxy, "web-2")) == ("UP", "MAINT")


def test_the_only_host_of_an_environment_goes_and_that_is_said(deploy: Deploy, proxy: Proxy) -> None:
    deploy.environment.hosts.filter(name="web-2").delete()
    lane, balancer = place(deploy, "web-1"), HAProxy.parse(proxy.settings())
    balancer.park(Server("web-2", ""), print)
    traffic(deploy).drain(lane)
    assert "this is the environment's only host: users notice that it is changed" in lane.said


def test_a_host_that_was_not_changed_yet_stays_in_when_the_deploy_is_cancelled(deploy: Deploy, proxy: Proxy) -> None:
    with open_requests(proxy, 4), pytest.raises(CommandCancelled):
        traffic(deploy, cancelled=lambda: True).drain(place(deploy, "web-1"))
    assert status(proxy, "web-1") == "UP"


def test_a_cancel_that_comes_when_the_requests_are_gone_lets_the_host_in_at_once(deploy: Deploy, proxy: Proxy) -> None:
    with pytest.raises(CommandCancelled):
        traffic(deploy, cancelled=lambda: True).drain(place(deploy, "web-1"))
    assert status(proxy, "web-1").startswith("UP")


def test_a_cancel_gives_no_users_to_a_host_of_the_group_without_traffic(deploy: Deploy, proxy: Proxy) -> None:
    deploy.environment.hosts.filter(name="web-2").update(group="green")
    deploy.environment.live_group, deploy.kind = "blue", DeployKind.REPAIR
    HAProxy.parse(proxy.settings()).drain(Server("web-2", ""), print)
    with pytest.raises(CommandCancelled):
        traffic(deploy, cancelled=lambda: True).drain(place(deploy, "web-2"))
    assert not status(proxy, "web-2").startswith("UP")


def test_a_host_that_haproxy_finds_ill_is_not_said_to_be_back(deploy: Deploy, proxy: Proxy) -> None:
    deploy.environment.balancer = proxy.settings(attach_seconds=1)
    lane = place(deploy, "web-1")
    balanced = traffic(deploy)
    balanced.drain(lane)
    lane.row.host.address = "127.0.0.1"
    with pytest.raises(NotTaken, match="sends no requests to web-1 within 1 s: it says DOWN"):
        balanced.attach(lane, port=1)


def test_a_host_that_haproxy_does_not_know_is_named(deploy: Deploy) -> None:
    lane = place(deploy, "web-1")
    lane.row.host.name = "web-7"
    with pytest.raises(UnknownServer, match=r"no server shop/web-7; it has shop/web-1, shop/web-2"):
        traffic(deploy).drain(lane)


def test_a_host_that_failed_after_its_switch_is_said_to_be_out(deploy: Deploy) -> None:
    lane = place(deploy, "web-1")
    traffic(deploy).drain(lane)
    lane.row.switched, lane.row.phase = True, Phase.HEALTH
    assert traffic(deploy).left_out(lane.row).startswith("web-1 stays out of haproxy backend shop until")
    lane.row.phase = Phase.DONE
    assert traffic(deploy).left_out(lane.row) == ""


def test_a_host_that_gets_requests_again_is_not_said_to_be_out_whatever_failed_then(deploy: Deploy) -> None:
    lane, balanced = place(deploy, "web-1"), traffic(deploy)
    balanced.drain(lane)
    balanced.attach(lane)
    lane.row.switched, lane.row.phase = True, Phase.ATTACHING
    assert balanced.left_out(lane.row) == ""


def test_a_host_is_said_to_be_out_also_when_the_balancer_cannot_be_asked(deploy: Deploy, tmp_path: Path) -> None:
    row = place(deploy, "web-1").row
    row.switched, row.phase = True, Phase.HEALTH
    deploy.environment.balancer = {"socket": f"unix://{tmp_path}/nobody", "backend": "shop"}
    assert traffic(deploy).left_out(row).startswith("web-1 stays out")


def test_hosts_that_get_requests_now_are_told_from_those_that_get_none(deploy: Deploy, tmp_path: Path) -> None:
    hosts = list(deploy.environment.hosts.all())
    assert traffic(deploy).served(hosts) == {"web-1", "web-2"}
    traffic(deploy).drain(place(deploy, "web-2"))
    assert traffic(deploy).served(hosts) == {"web-1"}
    deploy.environment.balancer = {"socket": f"unix://{tmp_path}/nobody", "backend": "shop"}
    assert traffic(deploy).served(hosts) == NoTraffic().served(hosts) == frozenset()


def test_a_repair_of_the_group_without_traffic_gives_it_none(deploy: Deploy, proxy: Proxy) -> None:
    environment = deploy.environment
    environment.hosts.filter(name="web-2").update(group="green")
    Environment.objects.filter(pk=environment.pk).update(live_group="blue")
    environment.refresh_from_db()
    deploy.kind = DeployKind.REPAIR
    lane = place(deploy, "web-2")
    traffic(deploy).drain(lane)
    traffic(deploy).attach(lane)
    assert status(proxy, "web-2").startswith("DRAIN")


def test_a_flip_to_a_group_that_does_not_answer_is_turned_back(deploy: Deploy, proxy: Proxy) -> None:
    deploy.environment.balancer = proxy.settings(attach_seconds=1)
    flip = two_groups(deploy)
    with socket.socket(socket.AF_UNIX) as door:
        door.connect(str(proxy.directory / "admin.sock"))
        door.sendall(b"set server shop/web-2 addr 127.0.0.1 port 1; set server shop/web-2 state drain\n")
        door.makefile().read()
    until("HAProxy finds it down", lambda: status(proxy, "web-2").startswith("DOWN"))
    with pytest.raises(NotTaken):
        flip.flip("green")
    until("blue has the traffic", lambda: status(proxy, "web-1") == "UP")
    assert not status(proxy, "web-2").startswith("UP")


def test_a_flip_leaves_out_hosts_that_do_not_run_the_release(deploy: Deploy) -> None:
    flip = two_groups(deploy)
    deploy.environment.hosts.filter(name="web-2").update(release=None)
    with pytest.raises(NotTaken, match="no host of green runs release"):
        flip.flip("green")


def two_groups(deploy: Deploy) -> Balanced:
    hosts = deploy.environment.hosts
    hosts.filter(name="web-1").update(group="blue", release=None)
    hosts.filter(name="web-2").update(group="green", release=deploy.release)
    deploy.environment.live_group = "blue"
    return traffic(deploy)


def test_commands_on_the_host_are_a_balancer_too(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "drain": f"touch {tmp_path}/out-$SLIPWAY_HOST",
        "attach": f"rm -f {tmp_path}/out-$SLIPWAY_HOST; echo $SLIPWAY_PORT > {tmp_path}/port",
        "drain_seconds": 0.2,
    }
    environment = factories.make_environment(balancer_kind="command", balancer=settings)
    deploy = factories.begin_deploy(factories.make_deploy(environment))
    lane, began = place(deploy, "web-1"), time.monotonic()
    traffic(deploy).drain(lane)
    assert time.monotonic() - began >= 0.2  # nobody can tell when its requests are gone
    assert (tmp_path / "out-web-1").exists()
    traffic(deploy).attach(lane, port=8123)
    assert not (tmp_path / "out-web-1").exists()
    assert (tmp_path / "port").read_text() == "8123\n"


def test_an_environment_without_a_balancer_needs_none_but_for_blue_green() -> None:
    plain = factories.make_environment()
    assert isinstance(traffic_of(factories.make_deploy(plain), print), NoTraffic)
    groups = factories.make_environment(strategy={"kind": "blue_green", "waves": ["rest"]})
    with pytest.raises(NoBalancer, match="takes a balancer"):
        traffic_of(factories.make_deploy(groups), print)


def test_settings_that_cannot_be_read_are_told_before_any_host_is_touched() -> None:
    environment = factories.make_environment(balancer_kind="haproxy", balancer={"backend": "shop"})
    with pytest.raises(BadBalancer, match="socket has to be"):
        traffic_of(factories.make_deploy(environment), print)


def test_a_host_that_failed_in_this_deploy_gets_no_users_by_the_flip(deploy: Deploy) -> None:
    flip = two_groups(deploy)
    lost = deploy.hosts.get(host__name="web-2")
    HostDeploy.objects.filter(pk=lost.pk).update(status=Status.FAILED, finished_at=lost.deploy.created_at)
    with pytest.raises(NotTaken, match="no host of green"):
        flip.flip("green")
