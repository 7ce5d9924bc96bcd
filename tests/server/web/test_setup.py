"""First start."""

import json
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from server.web.setup import setup_link
from tests.factories import make_operator

pytestmark = pytest.mark.django_db
GOOD = {"username": "grace", "email": "", "password1": "a harbour crane", "password2": "a harbour crane"}


def path_of(link: str | None) -> str:
    assert link is not None
    return urlsplit(link).path


def stored() -> Path:
    return Path(settings.STATE_DIR) / "setup.json"


def test_the_link_makes_the_operator_and_signs_them_in(client: Client) -> None:
    path = path_of(setup_link())
    assert client.get(path).status_code == 200
    client.post(path, GOOD)
    grace = User.objects.get()
    assert grace.is_superuser
    assert client.get("/").status_code == 200


def test_the_link_works_once(client: Client) -> None:
    path = path_of(setup_link())
    client.post(path, GOOD)
    again = Client().post(path, {**GOOD, "username": "mallory"})
    assert again.status_code == 410
    assert User.objects.count() == 1


def test_a_weak_password_is_refused_and_the_link_stays_good(client: Client) -> None:
    path = path_of(setup_link())
    response = client.post(path, {**GOOD, "password1": "short", "password2": "short"})
    assert "at least 10 characters" in response.content.decode()
    assert client.post(path, GOOD).status_code == 302


def test_a_wrong_token_is_nothing(client: Client) -> None:
    setup_link()
    assert client.get("/setup/wrong/").status_code == 404


def test_the_link_is_too_old_after_a_quarter_of_an_hour(client: Client) -> None:
    path = path_of(setup_link())
    kept = json.loads(stored().read_text())
    assert 890 < kept["expires_at"] - time.time() <= 900
    stored().write_text(json.dumps({**kept, "expires_at": time.time() - 1}))
    assert client.get(path).status_code == 410


def test_a_new_link_ends_the_old_one(client: Client) -> None:
    old, new = path_of(setup_link()), path_of(setup_link())
    assert client.get(old).status_code == 404
    assert client.get(new).status_code == 200


def test_a_server_with_an_operator_gives_no_link() -> None:
    make_operator()
    assert setup_link() is None


def test_the_token_itself_is_not_kept() -> None:
    token = path_of(setup_link()).split("/")[2]
    assert token not in stored().read_text()
    assert stored().stat().st_mode & 0o077 == 0
