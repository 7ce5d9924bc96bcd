"""Where a request comes from is believed as far as our own proxies say it."""

import pytest
from django.http import HttpRequest
from pytest_django import Settings

from server import addresses


def asked(direct: str, told: str | None = None) -> HttpRequest:
    request = HttpRequest()
    request.META["REMOTE_ADDR"] = direct
    if told is not None:
        request.META["HTTP_X_FORWARDED_FOR"] = told
    return request


def test_without_a_proxy_what_the_client_claims_counts_for_nothing(settings: Settings) -> None:
    settings.SLIPWAY_TRUSTED_PROXIES = 0
    assert addresses.client(asked("203.0.113.7", "198.51.100.1")) == "203.0.113.7"


@pytest.mark.parametrize(
    ("proxies", "told", "client"),
    [
        (1, "203.0.113.7", "203.0.113.7"),
        (1, "198.51.100.1, 203.0.113.7", "203.0.113.7"),  # the left one was made up by the client
        (2, "198.51.100.1, 203.0.113.7, 10.0.0.2", "203.0.113.7"),
        (2, "203.0.113.7", "10.0.0.1"),  # fewer hops than proxies: nobody vouches for it
        (1, "[2001:db8::1]:4711", "2001:db8::1"),
        (1, "203.0.113.7:4711", "203.0.113.7"),
        (1, "::ffff:203.0.113.7", "203.0.113.7"),
        (1, "unknown", "10.0.0.1"),
        (1, "", "10.0.0.1"),
        (1, "<script>", "10.0.0.1"),
    ],
)
def test_behind_proxies_the_one_counts_that_the_outermost_of_them_saw(
    proxies: int, told: str, client: str, settings: Settings
) -> None:
    settings.SLIPWAY_TRUSTED_PROXIES = proxies
    assert addresses.client(asked("10.0.0.1", told)) == client


def test_tries_are_counted_for_the_network_that_one_machine_may_use() -> None:
    assert addresses.origin(asked("2001:db8:1:2:3:4:5:6")) == "2001:db8:1:2::"
    assert addresses.origin(asked("203.0.113.7")) == "203.0.113.7"


def test_over_a_unix_socket_there_is_no_address() -> None:
    assert addresses.client(asked("")) == ""
    assert addresses.origin(asked("")) is None
