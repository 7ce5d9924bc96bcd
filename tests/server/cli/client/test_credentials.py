"""Which server is asked, with which token, and who else could read it."""

from pathlib import Path

import pytest

from server.cli.client import credentials
from server.cli.client.credentials import Credentials
from server.cli.client.errors import NotSignedIn, WrongUse


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CONFIG_HOME": str(tmp_path)}


def test_a_token_is_kept_for_its_owner_alone(home: dict[str, str]) -> None:
    place = credentials.keyring_path(home)
    credentials.keep(place, Credentials("https://ci.example.com", "slip_a"))
    assert place.stat().st_mode & 0o777 == 0o600
    assert place.parent.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in place.parent.iterdir()] == ["credentials.json"]
    assert credentials.current(home) == Credentials("https://ci.example.com", "slip_a")


def test_a_file_that_others_can_read_is_not_used(home: dict[str, str]) -> None:
    place = credentials.keyring_path(home)
    credentials.keep(place, Credentials("https://ci.example.com", "slip_a"))
    place.chmod(0o644)
    with pytest.raises(WrongUse, match="chmod 600"):
        credentials.current(home)


def test_a_token_goes_to_no_other_server_than_its_own(home: dict[str, str]) -> None:
    credentials.keep(credentials.keyring_path(home), Credentials("https://ci.example.com", "slip_a"))
    with pytest.raises(NotSignedIn, match=r"evil\.example\.com"):
        credentials.current({**home, "SLIPWAY_URL": "https://evil.example.com"})


def test_the_environment_goes_before_what_is_kept(home: dict[str, str]) -> None:
    place = credentials.keyring_path(home)
    credentials.keep(place, Credentials("https://one.example.com", "slip_a"))
    credentials.keep(place, Credentials("https://two.example.com", "slip_b"))
    assert credentials.current(home).token == "slip_b"
    assert credentials.current({**home, "SLIPWAY_URL": "https://one.example.com/"}).token == "slip_a"
    assert credentials.current({**home, "SLIPWAY_TOKEN": "slip_c"}) == Credentials("https://two.example.com", "slip_c")


def test_a_token_that_is_forgotten_is_gone_and_the_other_server_is_asked(home: dict[str, str]) -> None:
    place = credentials.keyring_path(home)
    credentials.keep(place, Credentials("https://one.example.com", "slip_a"))
    credentials.keep(place, Credentials("https://two.example.com", "slip_b"))
    assert credentials.forget(place, "https://two.example.com")
    assert "slip_b" not in place.read_text()
    assert credentials.current(home).url == "https://one.example.com"


def test_without_any_it_is_said_how_to_sign_in(home: dict[str, str]) -> None:
    with pytest.raises(NotSignedIn, match="slipway login"):
        credentials.current(home)


def test_plain_http_is_for_this_machine_or_for_who_insists() -> None:
    assert credentials.normal_url("http://127.0.0.1:8000/") == "http://127.0.0.1:8000"
    assert credentials.normal_url("http://[::1]:8000") == "http://[::1]:8000"
    assert credentials.normal_url("http://localhost") == "http://localhost"
    for url in ("http://ci.example.com", "http://127.0.0.1.example.com", "http://localhost.example.com"):
        with pytest.raises(WrongUse, match="use https"):
            credentials.normal_url(url)
    assert credentials.normal_url("http://ci.lan", is_insecure=True) == "http://ci.lan"


def test_who_insisted_once_need_not_do_so_each_time(home: dict[str, str]) -> None:
    credentials.keep(credentials.keyring_path(home), Credentials("http://ci.lan", "slip_a"))
    assert credentials.current(home).url == "http://ci.lan"
    assert credentials.current({**home, "SLIPWAY_URL": "http://ci.lan"}).token == "slip_a"


def test_an_address_without_a_scheme_is_taken_for_https() -> None:
    assert credentials.normal_url("ci.example.com/slipway/") == "https://ci.example.com/slipway"


@pytest.mark.parametrize("url", ["", "ftp://x", "https://", "https://a@b.example.com", "https://x/?a=b", "https://x:y"])
def test_what_is_no_address_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(WrongUse):
        credentials.normal_url(url)


def test_a_token_stands_in_no_trace() -> None:
    assert "slip_a" not in repr(Credentials("https://ci.example.com", "slip_a"))
