"""What every Balancer promises, tried on a real HAProxy, on AWS's API and on hosts' own commands."""

import contextlib
import http.server
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from runners.balancers.aws import TargetGroups
from runners.balancers.balancer import (
    BadBalancer,
    Balancer,
    BalancerFailed,
    BalancerRefused,
    Server,
    UnknownServer,
)
from runners.balancers.sources import open_balancer
from tests.lab.cloud import ACCESS_KEY, REGION, SECRET_KEY, Cloud, cloud
from tests.lab.haproxy import Proxy, haproxy
from tests.lab.patience import until
from tests.lab.sshd import free_port


@dataclass(frozen=True, slots=True)
class Case:
    """A balancer and the hosts that it knows; the first is of group blue, the second of group green."""

    kind: str
    balancer: Balancer
    hosts: tuple[Server, Server]
    stranger: Server | None = None


class _Shop(http.server.BaseHTTPRequestHandler):
    """Answers everything; /slow when it is let go."""

    asked = 0
    let_go = threading.Event()

    def do_GET(self) -> None:
        if self.path == "/slow":
            _Shop.asked += 1
            self.let_go.wait(120)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(self.connection.getsockname()[1]).encode())

    def log_message(self, *_: object) -> None:
        pass


class _Quiet(http.server.ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """HAProxy's checks hang up before they are answered in full."""


@contextlib.contextmanager
def shop() -> Iterator[int]:
    server = _Quiet(("127.0.0.1", 0), _Shop)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture
def ports() -> Iterator[tuple[int, int]]:
    with shop() as one, shop() as other:
        yield one, other


@pytest.fixture
def proxy(tmp_path: Path, ports: tuple[int, int]) -> Iterator[Proxy]:
    places = {f"web-{number}": f"127.0.0.1:{port}" for number, port in enumerate(ports, 1)}
    with haproxy(tmp_path / "haproxy", places) as running:
        yield running


@pytest.fixture(scope="module")
def api() -> Iterator[Cloud]:
    with cloud("127.0.0.0/16") as running:
        yield running


def hosts(**second: Any) -> tuple[Server, Server]:
    one = Server("web-1", "127.0.0.1", group="blue")
    return one, replace(one, name="web-2", group="green", **second)


def with_haproxy(request: pytest.FixtureRequest) -> Case:
    proxy: Proxy = request.getfixturevalue("proxy")
    balancer = open_balancer("haproxy", proxy.settings(socket=[proxy.unix, proxy.tcp]))
    assert balancer is not None
    return Case("haproxy", balancer, hosts(), Server("web-9", "127.0.0.9"))


def with_aws(request: pytest.FixtureRequest) -> Case:
    """Two instances in one target group that a listener sends requests to."""
    api: Cloud = request.getfixturevalue("api")
    shops = _Elastic(api)
    group = shops.group("shop")
    shops.listen(group)
    made = [replace(host, external_id=api.start(shops.address(), {"env": "lb"})) for host in hosts()]
    for host in made:
        shops.client.register_targets(TargetGroupArn=group, Targets=[{"Id": host.external_id}])
    settings = {"region": REGION, "target_group": group, "endpoint_url": api.url}
    balancer = open_balancer("aws", settings, f"{ACCESS_KEY}:{SECRET_KEY}")
    assert balancer is not None
    return Case("aws", balancer, (made[0], made[1]), Server("web-9", "127.0.0.9"))


def with_commands(request: pytest.FixtureRequest) -> Case:
    directory: Path = request.getfixturevalue("tmp_path")
    settings = {
        "drain": f"touch {directory}/$SLIPWAY_HOST.out",
        "attach": f"rm -f {directory}/$SLIPWAY_HOST.out",
        "serving": f"test -e {directory}/$SLIPWAY_HOST.out || echo yes",
        "connections": "echo 0",
    }
    balancer = open_balancer("command", settings)
    assert balancer is not None
    one, other = (replace(host, run=_run) for host in hosts())
    return Case("command", balancer, (one, other))


def _run(command: str, what: str, deadline_seconds: float) -> str:
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=deadline_seconds, check=True)
    return done.stdout


class _Elastic:
    """Target groups and listeners of the stand-in for AWS."""

    def __init__(self, api: Cloud) -> None:
        self.client = boto3.client(
            "elbv2", endpoint_url=api.url, region_name=REGION,
            aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY,
        )  # fmt: skip
        self._api, self._subnets = api, self._two_subnets(api)

    def group(self, name: str) -> str:
        vpc = self._api.client.describe_subnets(SubnetIds=[self._subnets[0]])["Subnets"][0]["VpcId"]
        name = f"{name}-{time.monotonic_ns() % 10**9}"
        made = self.client.create_target_group(Name=name, Protocol="HTTP", Port=8000, VpcId=vpc, TargetType="instance")
        return made["TargetGroups"][0]["TargetGroupArn"]

    def listen(self, group: str) -> str:
        name = f"front-{time.monotonic_ns() % 10**9}"
        front = self.client.create_load_balancer(Name=name, Subnets=list(self._subnets))
        made = self.client.create_listener(
            LoadBalancerArn=front["LoadBalancers"][0]["LoadBalancerArn"], Protocol="HTTP", Port=80,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
        )  # fmt: skip
        return made["Listeners"][0]["ListenerArn"]

    def address(self) -> str:
        number = time.monotonic_ns()
        return f"127.0.{number % 120 + 1}.{number // 120 % 250 + 4}"

    def _two_subnets(self, api: Cloud) -> tuple[str, str]:
        vpc = api.client.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
        made = [
            api.client.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{number}.0/24", AvailabilityZone=f"{REGION}{zone}")
            for number, zone in enumerate("ab")
        ]
        return made[0]["Subnet"]["SubnetId"], made[1]["Subnet"]["SubnetId"]


CASES: dict[str, Callable[[pytest.FixtureRequest], Case]] = {
    "haproxy": with_haproxy,
    "aws": with_aws,
    "command": with_commands,
}


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param](request)


def await_serving(case: Case, server: Server, wanted: bool) -> None:
    ends = time.monotonic() + 60
    while case.balancer.state(server).serving is not wanted:
        assert time.monotonic() < ends, case.balancer.state(server)
        time.sleep(0.02)


def quietly(line: str) -> None:
    """For tests that do not read what is said."""


def test_a_drained_server_gets_no_requests_and_the_other_still_does(case: Case) -> None:
    one, other = case.hosts
    await_serving(case, one, True)
    case.balancer.drain(one, quietly)
    case.balancer.park(one, quietly)
    await_serving(case, one, False)
    assert case.balancer.state(one).drained is True
    await_serving(case, other, True)


def test_an_attached_server_gets_requests_again(case: Case) -> None:
    one = case.hosts[0]
    case.balancer.drain(one, quietly)
    case.balancer.park(one, quietly)
    case.balancer.attach(one, quietly)
    await_serving(case, one, True)


def test_every_verb_may_be_repeated(case: Case) -> None:
    one = case.hosts[0]
    for verb in (case.balancer.drain, case.balancer.park, case.balancer.prepare, case.balancer.attach):
        verb(one, quietly)
        verb(one, quietly)
    await_serving(case, one, True)


def test_a_host_that_is_gone_for_good_is_forgotten_and_twice_is_no_error(case: Case) -> None:
    one = case.hosts[0]
    case.balancer.drain(one, quietly)
    case.balancer.forget(one, quietly)
    case.balancer.forget(one, quietly)
    await_serving(case, case.hosts[1], True)


def test_haproxy_takes_a_server_in_that_it_did_not_know_and_lets_it_go(proxy: Proxy) -> None:
    with shop() as port:
        settings = proxy.settings(new_server={"port": port, "options": "check inter 200ms rise 1"})
        balancer = open_balancer("haproxy", settings)
        assert balancer is not None
        case, new = Case("haproxy", balancer, hosts()), Server("web-9", "127.0.0.1")
        for _ in range(2):
            balancer.attach(new, quietly)
        await_serving(case, new, True)
        balancer.drain(new, quietly)
        balancer.forget(new, quietly)
        assert (balancer.state(new).serving, balancer.state(new).status) == (False, "not known yet")


def test_options_for_new_servers_cannot_carry_a_command_into_haproxy(proxy: Proxy) -> None:
    with pytest.raises(BadBalancer, match="new_server has to be"):
        open_balancer("haproxy", proxy.settings(new_server={"port": 80, "options": "check; shutdown"}))


def test_a_flip_brings_one_group_in_and_the_other_out_and_back(case: Case) -> None:
    blue, green = case.hosts
    case.balancer.drain(green, quietly)
    case.balancer.flip([green], [blue], quietly)
    await_serving(case, green, True)
    await_serving(case, blue, False)
    case.balancer.flip([blue], [green], quietly)
    await_serving(case, blue, True)
    await_serving(case, green, False)


def test_what_is_done_is_said_as_a_person_would_type_it(case: Case) -> None:
    said: list[str] = []
    case.balancer.drain(case.hosts[0], said.append)
    assert said[0].startswith("$ ")


def test_who_serves_is_known_by_the_balancers_own_names(case: Case) -> None:
    await_serving(case, case.hosts[0], True)
    await_serving(case, case.hosts[1], True)
    expected = None if case.kind == "command" else {case.balancer.name_of(host) for host in case.hosts}
    assert case.balancer.serving() == expected


@pytest.mark.parametrize("case", ["haproxy", "aws"], indirect=True)  # a host's own commands know of no others
def test_a_server_that_the_balancer_does_not_have_is_named_and_nothing_flips(case: Case) -> None:
    assert case.stranger is not None
    for verb in (case.balancer.drain, case.balancer.attach):
        with pytest.raises(UnknownServer, match="web-9"):
            verb(case.stranger, quietly)
    with pytest.raises(UnknownServer, match="web-9"):
        case.balancer.flip([case.hosts[1], case.stranger], [case.hosts[0]], quietly)
    await_serving(case, case.hosts[0], True)


@pytest.mark.parametrize("kind", ["haproxy", "aws", "command"])
def test_a_misspelt_setting_is_refused(kind: str) -> None:
    with pytest.raises(BadBalancer, match="unknown key sokcet"):
        open_balancer(kind, {"sokcet": "x"})


def test_an_environment_without_a_balancer_has_none() -> None:
    assert open_balancer("", {}) is None


def test_open_requests_are_counted_until_they_are_gone(proxy: Proxy) -> None:
    balancer = open_balancer("haproxy", proxy.settings())
    assert balancer is not None
    _Shop.asked = 0
    _Shop.let_go.clear()
    with contextlib.ExitStack() as stack:
        stack.callback(_Shop.let_go.set)
        for _ in range(4):  # by turns: two to each server
            door = stack.enter_context(socket.create_connection(("127.0.0.1", proxy.port)))
            door.sendall(b"GET /slow HTTP/1.1\r\nHost: shop\r\n\r\n")
        until("the requests", lambda: _Shop.asked == 4)
        one = hosts()[0]
        balancer.drain(one, quietly)
        state = balancer.state(one)
        assert (state.drained, state.load) == (False, "2 connections open")
        _Shop.let_go.set()
        until("their end", lambda: balancer.state(one).drained)


def test_haproxy_sends_requests_to_the_port_that_a_server_is_attached_at(proxy: Proxy) -> None:
    balancer = open_balancer("haproxy", proxy.settings())
    assert balancer is not None
    with shop() as port:
        one, other = hosts()
        balancer.drain(one, quietly)
        balancer.attach(replace(one, port=port), quietly)
        balancer.drain(other, quietly)
        with socket.create_connection(("127.0.0.1", proxy.port)) as door:
            door.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert door.makefile("rb").read().endswith(str(port).encode())


def test_a_server_that_a_person_put_into_maintenance_is_not_let_in_by_draining_it(proxy: Proxy) -> None:
    balancer = open_balancer("haproxy", proxy.settings())
    assert balancer is not None
    balancer.park(hosts()[0], quietly)
    balancer.drain(hosts()[0], quietly)
    assert balancer.state(hosts()[0]).status == "MAINT"


def test_haproxy_without_the_right_to_change_anything_is_told_from_one_that_is_away(proxy: Proxy) -> None:
    balancer = open_balancer("haproxy", proxy.settings(socket=proxy.without_rights))
    assert balancer is not None
    with pytest.raises(BalancerRefused, match="level admin"):
        balancer.drain(hosts()[0], quietly)
    nowhere = open_balancer("haproxy", proxy.settings(socket=f"tcp://127.0.0.1:{free_port('127.0.0.1')}"))
    assert nowhere is not None
    with pytest.raises(BalancerFailed, match="could not be asked"):
        nowhere.drain(hosts()[0], quietly)


def test_a_hosts_name_cannot_carry_a_command_into_haproxy(proxy: Proxy) -> None:
    balancer = open_balancer("haproxy", proxy.settings())
    assert balancer is not None
    with pytest.raises(BadBalancer, match="only letters"):
        balancer.drain(Server("web-1; shutdown sessions server shop/web-2", "127.0.0.1"), quietly)


def test_aws_turns_a_listener_from_one_target_group_to_the_other(api: Cloud) -> None:
    elastic = _Elastic(api)
    groups = {name: elastic.group(name) for name in ("blue", "green")}
    listener = elastic.listen(groups["blue"])
    settings = {"region": REGION, "target_groups": groups, "listener": listener, "endpoint_url": api.url}
    balancer = open_balancer("aws", settings, f"{ACCESS_KEY}:{SECRET_KEY}")
    assert balancer is not None
    blue, green = (replace(host, external_id=api.start(elastic.address(), {"env": "lb"})) for host in hosts())
    balancer.prepare(green, quietly)
    balancer.flip([green], [blue], quietly)
    actions = elastic.client.describe_listeners(ListenerArns=[listener])["Listeners"][0]["DefaultActions"]
    assert actions[0]["TargetGroupArn"] == groups["green"]


def test_aws_registers_an_instance_at_the_port_of_its_new_container(api: Cloud) -> None:
    elastic = _Elastic(api)
    group = elastic.group("shop")
    settings = {"region": REGION, "target_group": group, "endpoint_url": api.url}
    balancer = open_balancer("aws", settings, f"{ACCESS_KEY}:{SECRET_KEY}")
    assert balancer is not None
    server = replace(hosts()[0], external_id=api.start(elastic.address(), {"env": "lb"}), port=8123)
    balancer.attach(server, quietly)
    found = elastic.client.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    assert [one["Target"] for one in found] == [{"Id": server.external_id, "Port": 8123}]


def test_aws_takes_a_container_s_old_port_out_once_the_new_one_serves() -> None:
    # The stand-in for AWS keeps one port for each instance, so these are AWS's own answers, served one by one.
    settings = {"region": REGION, "target_group": f"arn:aws:elasticloadbalancing:{REGION}:1:targetgroup/shop/6d"}
    balancer = open_balancer("aws", settings, f"{ACCESS_KEY}:{SECRET_KEY}")
    assert isinstance(balancer, TargetGroups)
    new, said = Server("web-1", "127.0.0.1", external_id="i-1", port=8124), list[str]()
    with Stubber(balancer._client) as answers:

        def stands(**states: str) -> None:
            targets = [
                {"Target": {"Id": "i-1", "Port": int(port[1:])}, "TargetHealth": {"State": state}}
                for port, state in states.items()
            ]
            other = {"Target": {"Id": "i-2", "Port": 8123}, "TargetHealth": {"State": "healthy"}}
            answers.add_response("describe_target_health", {"TargetHealthDescriptions": [*targets, other]})

        stands(p8123="healthy", p8124="initial")
        assert balancer.state(new).serving is False  # that the old one is healthy says nothing of the new one
        stands(p8123="healthy", p8124="healthy")
        gone = {"TargetGroupArn": settings["target_group"], "Targets": [{"Id": "i-1", "Port": 8123}]}
        answers.add_response("deregister_targets", {}, gone)
        assert not balancer.narrow(new, said.append)
        stands(p8123="draining", p8124="healthy")
        assert not balancer.narrow(new, said.append)
        stands(p8124="healthy")
        assert balancer.narrow(new, said.append)
        answers.assert_no_pending_responses()
    assert said == ["$ aws elbv2 deregister-targets --target-group-arn shop --targets Id=i-1,Port=8123"]


def test_a_server_that_is_at_one_port_alone_has_nothing_to_be_taken_out(case: Case) -> None:
    one, _ = case.hosts
    await_serving(case, one, True)
    assert case.balancer.narrow(one, quietly)
    await_serving(case, one, True)
