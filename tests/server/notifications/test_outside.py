"""Nothing that people type in leads inside, by whatever name, redirect or plugin."""

import ipaddress
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from pipelines.notifications import lifecycle
from pipelines.outbox.models import Message
from pipelines.projects.models import Project
from server.notifications import others, outside
from server.notifications.errors import Refused, Unreachable
from tests.factories import make_project
from tests.lab.stand_in import Answer, serve
from tests.server.notifications.conftest import ADA, Sink, drain, hear

INSIDE = [
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1"),
    *("255.255.255.255", "192.0.2.1", "198.18.0.1", "240.0.0.1", "::1", "::", "fe80::1", "fc00::1", "fec0::1"),
    *("168.63.129.16", "::ffff:168.63.129.16", "192.0.0.192"),
    *("ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1"),
]


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_inside_is_known_in_whatever_dress(address: str) -> None:
    assert outside.is_inside(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_an_address_of_the_public_internet_is_outside(address: str) -> None:
    assert not outside.is_inside(ipaddress.ip_address(address))


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Names mean these addresses, one list after the other, the last for good; gives what was asked."""
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        if _is_address(host):
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]
        asked.append(host)
        found = answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def test_one_inner_address_among_several_is_enough_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, ["93.184.216.34", "10.0.0.7"])
    with pytest.raises(Refused, match=r"10\.0\.0\.7"):
        outside.post("http://mixed.example/", b"", {})


@pytest.mark.parametrize(
    "url", ["http://2130706433/", "http://0x7f.1/", "http://[::ffff:127.0.0.1]/", "http://localhost/"]
)
def test_other_ways_to_write_this_machine_are_refused(url: str) -> None:
    with pytest.raises((Refused, Unreachable)):
        outside.post(url, b"", {})


def test_a_name_that_means_something_else_the_second_time_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: what was checked is what is connected to."""
    asked = resolving(monkeypatch, ["93.184.216.34"], ["127.0.0.1"])
    connected: list[object] = []

    def create_connection(address: object, timeout: float) -> socket.socket:
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", create_connection)
    with pytest.raises(Unreachable):
        outside.post("http://rebinding.example/", b"", {})
    assert asked == ["rebinding.example"]
    assert connected == [("93.184.216.34", 80)]


def test_an_allowed_host_inside_is_asked(settings: Settings) -> None:
    with serve(lambda asked: Answer(value={"host": asked.headers["Host"]})) as url:
        settings.SLIPWAY_INTERNAL_HOSTS = ["127.0.0.1"]
        answer = outside.post(url, b"{}", {})
    assert answer.status == 200
    assert "127.0.0.1" in answer.text


def test_tls_is_checked_against_the_name(settings: Settings) -> None:
    settings.SLIPWAY_INTERNAL_HOSTS = ["127.0.0.1"]
    with serve(lambda _: Answer()) as url, pytest.raises(Unreachable, match="no safe connection"):
        outside.post(url.replace("http:", "https:"), b"", {})


@pytest.fixture
def project() -> Project:
    return make_project("shop")


@pytest.mark.django_db
def test_apprise_tells_everything_else(sink: Sink, project: Project) -> None:
    recipient = hear(project, "apprise", sink.url.replace("http:", "json:"))
    lifecycle.send_test(recipient, ADA)
    drain()
    (asked,) = sink.taken
    assert asked.json()["title"] == "shop: a test message"
    assert Message.objects.get(target=recipient.pk).sent_at is not None


@pytest.mark.django_db
def test_apprise_does_not_reach_inside_either(sink: Sink, project: Project, settings: Settings) -> None:
    settings.SLIPWAY_INTERNAL_HOSTS = []
    recipient = hear(project, "apprise", sink.url.replace("http:", "json:"))
    lifecycle.send_test(recipient, ADA)
    drain()
    assert sink.taken == []
    message = Message.objects.get(target=recipient.pk)
    assert message.given_up_at is not None
    assert "127.0.0.1 is an internal address" in message.error


@pytest.mark.django_db
def test_apprise_does_not_follow_a_redirect_inside(project: Project, settings: Settings, sink: Sink) -> None:
    """The first host is allowed, the one that it sends us on to is not."""
    address = "127.0.0.2"
    settings.SLIPWAY_INTERNAL_HOSTS = [address]
    moved = Answer(307, headers=(("Location", f"{sink.url}/inside"),))
    with serve(lambda _: moved, address) as url:
        recipient = hear(project, "apprise", url.replace("http:", "json:"))
        lifecycle.send_test(recipient, ADA)
        drain()
    assert sink.taken == []
    assert Message.objects.get(target=recipient.pk).sent_at is None


@pytest.mark.django_db
@pytest.mark.parametrize("url", ["syslog://", "mqtt://127.0.0.1/topic", "dbus://"])
def test_what_cannot_be_watched_is_not_offered(project: Project, url: str) -> None:
    recipient = hear(project, "apprise", f"{url}x" if url.endswith("//") else url)
    lifecycle.send_test(recipient, ADA)
    drain()
    message = Message.objects.get(target=recipient.pk)
    assert message.given_up_at is not None


@pytest.mark.django_db
@pytest.mark.parametrize("where", ["workflows://{host}/WORK/SIG?template=", "slack://A/B/C?TEMPLATE=file://"])
def test_no_file_of_the_server_is_sent_as_an_apprise_template(
    sink: Sink, project: Project, tmp_path: Path, where: str
) -> None:
    file = tmp_path / "card.json"
    file.write_text('{"type": "message", "attachments": [{"content": "of the server"}]}')
    url = where.format(host=sink.url.removeprefix("http://")) + str(file)
    recipient = hear(project, "apprise", url)
    lifecycle.send_test(recipient, ADA)
    drain()
    assert sink.taken == []
    message = Message.objects.get(target=recipient.pk)
    assert message.given_up_at is not None
    assert "names a file" in message.error


@pytest.mark.django_db
def test_without_apprise_the_message_says_which_extra_to_install(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    recipient = hear(project, "apprise", "json://example.org/")
    lifecycle.send_test(recipient, ADA)
    drain()
    assert "slipway[apprise]" in Message.objects.get(target=recipient.pk).error


def test_outside_of_sending_nothing_is_watched() -> None:
    with others._watched():
        pass
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
