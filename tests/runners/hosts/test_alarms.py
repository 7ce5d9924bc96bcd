"""Alarms that have gone off: URLs asked over HTTP, commands on a real host, and CloudWatch as moto has it."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from http.client import HTTPConnection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from pipelines.deploys.alarms import problems
from pipelines.deploys.models import Alarm, AlarmAction, AlarmKind, Environment, InventoryKind
from runners.hosts import alarms, outside
from runners.hosts.scripts.layout import Layout
from runners.hosts.ssh.connection import Connection, check
from tests.lab import cloud
from tests.lab.machines import self_signed
from tests.lab.sshd import Sshd
from tests.lab.stand_in import Answer, Asked, serve


@pytest.fixture(scope="module")
def aws() -> Iterator[cloud.Cloud]:
    with cloud.cloud("127.0.77.0/24") as running:
        yield running


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarms, "PAUSE_SECONDS", 0.05)


def alarm(kind: AlarmKind, **settings: str) -> Alarm:
    place = Environment(inventory_kind=InventoryKind.AWS, inventory_secret=f"{cloud.ACCESS_KEY}:{cloud.SECRET_KEY}")
    return Alarm(
        environment=place, name="shop", cause="nobody can pay", kind=kind, settings=settings,
        alert="chat", action=AlarmAction.UNDO,
    )  # fmt: skip


def lane(connection: Connection, name: str = "web-1") -> Any:
    """As much of a lane as alarms use, over a real connection."""

    def do(script: str, what: str, *, in_shell: bool = True) -> str:
        return check(connection, script, what, deadline_seconds=60)

    plan = SimpleNamespace(layout=Layout("/srv/shop"))
    return SimpleNamespace(row=SimpleNamespace(host=SimpleNamespace(name=name)), plan=plan, do=do)


def breached(given: Alarm, lanes: Sequence[Any] = ()) -> str | None:
    return alarms.breached(given, lanes)


def test_a_url_that_answers_well_is_quiet_and_one_that_does_not_says_what_came() -> None:
    with serve(lambda asked: Answer(200 if asked.path == "/healthz?deep=1" else 503, content=b"no stock")) as url:
        assert breached(alarm(AlarmKind.URL, url=f"{url}/healthz?deep=1")) is None
        why = breached(alarm(AlarmKind.URL, url=f"{url}/pay"))
    assert why is not None
    assert "503 no stock" in why


def test_one_bad_answer_is_no_outage() -> None:
    answers = [Answer(200, content=b"ok"), Answer(502)]
    with serve(lambda asked: answers.pop()) as url:
        assert breached(alarm(AlarmKind.URL, url=url)) is None


def test_a_redirect_is_not_followed() -> None:
    asked: list[Asked] = []

    def away(request: Asked) -> Answer:
        asked.append(request)
        return Answer(302, headers=(("Location", "/signed-in"),))

    with serve(away) as url:
        assert breached(alarm(AlarmKind.URL, url=url)) is not None
    assert {request.path for request in asked} == {"/"}


@pytest.mark.parametrize("reached", ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1%eth0", "100.100.100.200"])
def test_nothing_is_asked_where_clouds_keep_credentials(monkeypatch: pytest.MonkeyPatch, reached: str) -> None:
    asked: list[Asked] = []
    sock = SimpleNamespace(getpeername=lambda: (reached, 80), close=lambda: None)

    def connect(connection: Any) -> None:
        connection.sock = sock

    monkeypatch.setattr(HTTPConnection, "connect", connect)
    why = breached(alarm(AlarmKind.URL, url="http://innocent.example/latest/meta-data"))
    assert asked == []
    assert why is not None
    assert "credentials" in why


def _drip(server: socket.socket, beginning: bytes) -> None:
    """Answer with one byte more every now and then, and never with all of them."""
    with contextlib.suppress(OSError), server.accept()[0] as client:
        client.sendall(beginning)
        while True:
            client.sendall(b"a")
            time.sleep(0.05)


@pytest.mark.parametrize(
    ("scheme", "beginning"),
    [("http", b"HTTP/1.1 200 OK\r\nX: "), ("http", b"HTTP/1.1 200 OK\r\n\r\n"), ("https", b"\x16\x03\x03\x40\x00")],
)
def test_a_url_that_answers_byte_by_byte_is_not_waited_for_any_longer_than_one_that_is_silent(
    scheme: str, beginning: bytes
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        dripping = threading.Thread(target=_drip, args=(server, beginning))
        dripping.start()
        began = time.monotonic()
        answer = outside.ask(f"{scheme}://127.0.0.1:{server.getsockname()[1]}/", seconds=0.5)
        assert time.monotonic() - began < 60  # it goes on for ever
        dripping.join()
    assert (answer.good, answer.text) == (False, "the answer took too long")


def test_a_url_is_asked_over_tls_of_somebody_who_proves_who_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, certificate = self_signed(tmp_path)
    with serve(lambda asked: Answer(200, content=b"ok"), tls=server) as url:
        assert "CERTIFICATE_VERIFY_FAILED" in outside.ask(url).text
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert outside.ask(url).good


def test_where_nobody_answers_the_alarm_has_gone_off() -> None:
    why = breached(alarm(AlarmKind.URL, url="http://127.0.0.1:9/"))
    assert why is not None
    assert "ConnectionRefusedError" in why


def test_a_url_can_be_asked_on_each_host(connection: Connection) -> None:
    with serve(lambda asked: Answer(200 if asked.path == "/good" else 500)) as url:
        assert breached(alarm(AlarmKind.URL, url=f"{url}/good", on="hosts"), [lane(connection)]) is None
        why = breached(alarm(AlarmKind.URL, url=f"{url}/bad", on="hosts"), [lane(connection)])
    assert why is not None
    assert why.startswith("web-1: ")
    assert "500" in why


def test_a_command_that_fails_names_host_and_words(connection: Connection, sshd: Sshd) -> None:
    (sshd.root / "shop/releases/7").mkdir(parents=True, exist_ok=True)
    if not (sshd.root / "shop/current").is_symlink():
        (sshd.root / "shop/current").symlink_to("releases/7")
    lanes = [lane(connection), lane(connection, "web-2")]
    assert breached(alarm(AlarmKind.COMMAND, command="test $(basename $(pwd -P)) = 7"), lanes) is None
    why = breached(alarm(AlarmKind.COMMAND, command="echo the queue is full; false"), lanes)
    assert why is not None
    assert "web-1: " in why
    assert "web-2: " in why
    assert "the queue is full" in why


def test_a_cloudwatch_alarm_is_watched(aws: cloud.Cloud) -> None:
    client: Any = boto3.client(
        "cloudwatch", endpoint_url=aws.url, region_name=aws.region,
        aws_access_key_id=cloud.ACCESS_KEY, aws_secret_access_key=cloud.SECRET_KEY,
    )  # fmt: skip
    client.put_metric_alarm(
        AlarmName="5xx", MetricName="5xx", Namespace="shop", Period=60, EvaluationPeriods=1, Threshold=1,
        ComparisonOperator="GreaterThanThreshold", Statistic="Sum",
    )  # fmt: skip
    given = alarm(AlarmKind.CLOUDWATCH, alarm="5xx", region=aws.region, endpoint_url=aws.url)
    client.set_alarm_state(AlarmName="5xx", StateValue="OK", StateReason="calm")
    assert breached(given) is None
    client.set_alarm_state(AlarmName="5xx", StateValue="ALARM", StateReason="12 is greater than 1")
    assert breached(given) == "CloudWatch's alarm 5xx is in state ALARM: 12 is greater than 1"


def test_an_alarm_that_cannot_be_asked_has_gone_off(aws: cloud.Cloud) -> None:
    unknown = breached(alarm(AlarmKind.CLOUDWATCH, alarm="no-such", region=aws.region, endpoint_url=aws.url))
    assert unknown is not None
    assert "no alarm named no-such" in unknown


@pytest.mark.parametrize("lacking", ["cause", "alert", "action"])
def test_an_alarm_without_cause_alert_or_action_is_refused(lacking: str) -> None:
    given = alarm(AlarmKind.URL, url="https://shop.example/healthz")
    assert problems(given) == []
    setattr(given, lacking, "")
    (problem,) = problems(given)
    assert problem.startswith("Say ")


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        (AlarmKind.URL, {}, "lack url"),
        (AlarmKind.URL, {"url": "ftp://x"}, "http or https"),
        (AlarmKind.URL, {"url": "http://user:pw@x/"}, "without a user"),
        (AlarmKind.URL, {"url": "http://x/", "on": "moon"}, "hosts"),
        (AlarmKind.URL, {"url": "http://x/", "verb": "PUT"}, "do not know verb"),
        (AlarmKind.URL, {"url": "http://169.254.169.254/latest/meta-data", "on": "hosts"}, "credentials"),
        (AlarmKind.URL, {"url": "http://metadata.google.internal./"}, "credentials"),
        (AlarmKind.COMMAND, {"command": " "}, "lack command"),
        (AlarmKind.CLOUDWATCH, {"alarm": "5xx", "region": "Ireland"}, "eu-west-1"),
    ],
)
def test_settings_that_cannot_be_watched_are_refused(kind: AlarmKind, settings: dict[str, str], said: str) -> None:
    assert any(said in problem for problem in problems(alarm(kind, **settings)))
