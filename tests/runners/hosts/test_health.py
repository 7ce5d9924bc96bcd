"""Health, asked on real hosts of a real web server, with each of the tools a host may have."""

import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runners.hosts.health import HealthCheck, Unhealthy, wait_until_healthy
from runners.hosts.ssh.connection import CommandCancelled, Connection
from tests.lab.sshd import Sshd
from tests.runners.hosts.conftest import open_connection


class Application(http.server.ThreadingHTTPServer):
    """Answers with the statuses it is given, the last one for ever; 0 is no answer at all."""

    statuses = [200]
    asked = 0

    def __init__(self, *place: Any) -> None:
        super().__init__(*place)
        self.over = threading.Event()


class Handler(http.server.BaseHTTPRequestHandler):
    server: Application

    def do_GET(self) -> None:
        status = self.server.statuses[min(self.server.asked, len(self.server.statuses) - 1)]
        self.server.asked += 1
        if status == 0:
            self.server.over.wait(600)
            return
        self.send_response(status)
        self.send_header("Location", "http://127.0.0.1:1/")
        self.end_headers()
        self.wfile.write(b'{"status": "warming"}')

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def application() -> Iterator[Application]:
    server = Application(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()


def url(application: Application) -> str:
    return f"http://127.0.0.1:{application.server_port}/healthz?a=1&b='2'"


@pytest.fixture(params=["curl", "python3", "wget", "busybox"])
def host(request: pytest.FixtureRequest, own_sshd: Callable[..., Sshd], tmp_path: Path) -> Connection:
    """A host that has only one of the tools."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "setsid", "head", "cat", "mktemp", "rm", "grep", "sleep"):
        (tools / name).symlink_to("/usr/bin/busybox")
    name = "wget" if request.param == "busybox" else request.param
    (tools / name).symlink_to("/usr/bin/busybox" if request.param == "busybox" else f"/usr/bin/{name}")
    return open_connection(own_sshd(path=str(tools)))


def test_a_good_answer_is_healthy(host: Connection, application: Application) -> None:
    assert wait_until_healthy(host, HealthCheck(url=url(application))).good
    assert application.asked == 1


def test_a_release_that_warms_up_is_waited_for(host: Connection, application: Application) -> None:
    application.statuses = [503, 500, 200]
    check = HealthCheck(url=url(application), interval_seconds=0.1)
    lines: list[bytes] = []
    assert wait_until_healthy(host, check, on_output=lines.append).good
    assert len(lines) == 3
    assert b"503" in lines[0]


def test_the_last_bad_answer_is_in_the_error(host: Connection, application: Application) -> None:
    application.statuses = [503]
    check = HealthCheck(url=url(application), timeout_seconds=1, interval_seconds=0.3)
    with pytest.raises(Unhealthy, match=r"not healthy within 1 s.*the last answer: .*503"):
        wait_until_healthy(host, check)


def test_a_redirect_is_no_good_answer(host: Connection, application: Application) -> None:
    application.statuses = [302]
    check = HealthCheck(url=url(application), timeout_seconds=0.2, interval_seconds=0.3)
    with pytest.raises(Unhealthy):
        wait_until_healthy(host, check)


def test_nobody_listening_is_said_in_the_error(host: Connection) -> None:
    check = HealthCheck(url="http://127.0.0.1:1/", timeout_seconds=0.2, interval_seconds=0.3)
    with pytest.raises(Unhealthy, match=r"(?i)refused|connect"):
        wait_until_healthy(host, check)


def test_an_answer_that_never_comes_ends(host: Connection, application: Application) -> None:
    application.statuses = [0]
    check = HealthCheck(url=url(application), timeout_seconds=1, interval_seconds=0.3, answer_seconds=1)
    with pytest.raises(Unhealthy):
        wait_until_healthy(host, check)


def test_good_answers_have_to_come_in_a_row(connection: Connection, application: Application) -> None:
    application.statuses = [200, 503, 200, 200, 200]
    wait_until_healthy(connection, HealthCheck(url=url(application), interval_seconds=0.05, answers=3))
    assert application.asked == 5


def test_health_may_be_a_command(connection: Connection, tmp_path: Path) -> None:
    (tmp_path / "ready").touch()
    check = HealthCheck(command="test -f ready && echo fine # yes", directory=str(tmp_path))
    assert wait_until_healthy(connection, check).text == "fine"


def test_a_failing_command_shows_its_last_words(connection: Connection) -> None:
    check = HealthCheck(command="echo 3 workers missing; exit 2", timeout_seconds=0, interval_seconds=0.1)
    with pytest.raises(Unhealthy, match="3 workers missing"):
        wait_until_healthy(connection, check)


def test_waiting_for_health_can_be_cancelled(connection: Connection) -> None:
    stop = threading.Event()
    check = HealthCheck(command="false", timeout_seconds=600)
    with pytest.raises(CommandCancelled):
        wait_until_healthy(connection, check, on_output=lambda data: stop.set(), cancelled=stop.is_set)
