"""Whether the server has all that it needs, and what of it is not there."""

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core import checks
from django.core.cache import cache
from django.core.files.storage import storages
from django.db import connection
from django.test import Client

from server import checks as ours
from server import health, keys
from server.live import reach
from tests.lab.redis_server import OwnRedis

pytestmark = pytest.mark.django_db
ANSWERS = reach.answers  # as it is; the fixture puts another in its place


@pytest.fixture(autouse=True)
def nothing_found_yet() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture(autouse=True)
def redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that answers; how it is asked has a test of its own."""
    monkeypatch.setattr(reach, "answers", lambda _seconds: "")


def told(expected: int) -> dict[str, str]:
    response = Client().get("/readyz")
    assert response.status_code == expected, response.content
    answer = json.loads(response.content)
    assert answer["ready"] is (expected == 200)
    return dict(answer["checks"])


def test_a_server_that_has_all_is_ready() -> None:
    assert set(told(200).values()) == {"ok"}
    assert not list(Path(settings.MEDIA_ROOT).rglob("ready/*"))


def test_what_was_found_is_told_for_some_seconds_and_then_looked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "FOUND_SECONDS", 600)
    writes: list[str] = []
    save = storages["default"].save

    def noted(name: str, content: Any) -> str:
        writes.append(name)
        return str(save(name, content))

    monkeypatch.setattr(storages["default"], "save", noted)
    for _ in range(20):
        told(200)
    assert len(writes) == 1
    monkeypatch.setattr(reach, "answers", lambda _seconds: "gone")
    assert told(200)["redis"] == "ok"
    cache.delete("readiness")  # as time does
    assert told(503)["redis"] != "ok"
    assert len(writes) == 2


def test_a_redis_that_does_not_answer_is_named_and_nothing_of_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "answers", lambda _seconds: "ConnectionError: redis://user:password@10.0.0.7")
    found = told(503)
    assert "Redis does not answer" in found.pop("redis")
    assert set(found.values()) == {"ok"}
    assert "10.0.0.7" not in Client().get("/readyz").content.decode()


def test_a_redis_answers_or_does_not_or_is_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a directory of its own: a socket's path may not be long."""
    with tempfile.TemporaryDirectory(prefix="slipway-redis-") as directory:
        server = OwnRedis(Path(directory))
        hosts = [{"address": server.url, "socket_timeout": None}]
        layer = {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": hosts}}
        monkeypatch.setattr(settings, "CHANNEL_LAYERS", {"default": layer})
        assert ANSWERS(1.0) != ""
        server.start()
        try:
            assert ANSWERS(5.0) == ""
            server.freeze()
            began = time.monotonic()
            assert "TimeoutError" in ANSWERS(0.5)
            assert time.monotonic() - began < 60
            server.thaw()
            assert ANSWERS(5.0) == ""
        finally:
            server.stop()


def test_a_storage_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storages["default"], "save", lambda *_: (_ for _ in ()).throw(OSError("full")))
    assert "storage cannot be written" in told(503)["storage"]


def test_migrations_that_are_not_applied_are_counted_in_the_log_alone(caplog: pytest.LogCaptureFixture) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'feeds'")
    assert told(503)["migrations"] == "the database is not of this version; the server's log says why"
    assert "1 migrations are not applied" in caplog.text


def test_a_key_file_that_is_gone_is_named_before_the_next_start_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(settings, "STATE_DIR", tmp_path)
    assert told(503)["keys"].startswith("the keys cannot be used")
    assert "secret_key is gone" in caplog.text


def test_being_alive_asks_one_question(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        assert Client().get("/healthz").status_code == 200


def found(monkeypatch: pytest.MonkeyPatch, **chosen: Any) -> set[str]:
    good: dict[str, Any] = {
        "SLIPWAY_URL": "https://ci.example.org",
        "ALLOWED_HOSTS": ["ci.example.org"],
        "CSRF_TRUSTED_ORIGINS": ["https://ci.example.org"],
        "SESSION_COOKIE_SECURE": True,
        "CSRF_COOKIE_SECURE": True,
        "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"),
        "SECURE_HSTS_SECONDS": 3600,
        "SLIPWAY_BIND": "127.0.0.1",
    }
    for name, value in {**good, **chosen}.items():
        monkeypatch.setattr(settings, name, value)
    messages = [*ours.check_front(None), *ours.check_reach(None)]
    assert all(message.hint and message.msg.endswith(".") for message in messages)
    return {str(message.id) for message in messages}


def test_a_server_behind_tls_as_the_guide_shows_it_has_nothing_to_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(monkeypatch) == set()
    found_by_all = [one for one in checks.run_checks(include_deployment_checks=True) if not one.is_silenced()]
    assert not [one for one in found_by_all if one.level >= checks.WARNING]


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"SLIPWAY_URL": "http://127.0.0.1:8000"}, "slipway.W001"),
        ({"SLIPWAY_URL": "http://ci.example.org"}, "slipway.E001"),
        ({"SESSION_COOKIE_SECURE": False}, "slipway.E002"),
        ({"SECURE_PROXY_SSL_HEADER": None}, "slipway.E003"),
        ({"SLIPWAY_BIND": "0.0.0.0"}, "slipway.W002"),
        ({"ALLOWED_HOSTS": ["*"]}, "slipway.E004"),
        ({"ALLOWED_HOSTS": ["localhost"]}, "slipway.E005"),
        ({"CSRF_TRUSTED_ORIGINS": ["https://other.example.org"]}, "slipway.E006"),
        ({"SECURE_HSTS_SECONDS": 0}, "slipway.W003"),
        ({"SLIPWAY_METRICS_TOKEN": "short"}, "slipway.W004"),
        ({"SLIPWAY_REDIS_URL": "redis://redis.example.org:6379/0"}, "slipway.W005"),
        ({"SLIPWAY_BIND": "10.0.0.5"}, "slipway.W006"),
    ],
)
def test_each_mistake_in_the_settings_is_said(monkeypatch: pytest.MonkeyPatch, chosen: Any, said: str) -> None:
    assert said in found(monkeypatch, **chosen)


def test_keys_are_written_for_their_user_alone_and_never_over_another_file(tmp_path: Path) -> None:
    state, target = tmp_path / "state", tmp_path / "keys.json"
    held = {"secret_key": keys.secret_key(state), "encryption_keys": "\n".join(keys.encryption_keys(state))}
    keys.export(state, target)
    assert target.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        keys.export(state, target)
    other = tmp_path / "other"
    keys.secret_key(other)
    keys.encryption_keys(other)
    keys.bring_back(other, keys.exported(target))
    assert (keys.secret_key(other), "\n".join(keys.encryption_keys(other))) == tuple(held.values())
