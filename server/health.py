"""Whether this process can answer, and whether the server has all that it needs: for supervisors and balancers."""

import logging
import secrets
import threading
from collections.abc import Callable, Mapping

from django.conf import settings
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from pipelines.projects.secrets import decrypt, encrypt
from server.live import reach

REDIS_SECONDS = 2.0
FOUND_SECONDS = 5
_FOUND = "readiness"
_LOOKING = threading.Lock()

_logger = logging.getLogger(__name__)


def healthz(request: HttpRequest) -> HttpResponse:
    """200 when the database answers; what else is missing shows on the pages and heals by itself."""
    _ask_database()
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when all is there, 503 else; in JSON, what is and what is not. Why stands in the server's own log.

    Anybody may ask, but what is found is told for some seconds, so that nobody makes the server write by asking.
    """
    found = _findings()
    is_ready = all(said == "ok" for said in found.values())
    response = JsonResponse({"ready": is_ready, "checks": found}, status=200 if is_ready else 503)
    response["Cache-Control"] = "no-store"
    return response


class NotReady(Exception):
    """Something that the server needs is not there; the text says what to do, to those who read the log."""


def _findings() -> dict[str, str]:
    """Looked for by one at a time; the others are told the same."""
    with _LOOKING:
        found: dict[str, str] | None = cache.get(_FOUND)
        if found is None:
            found = {name: _tried(name, check) for name, check in _CHECKS.items()}
            cache.set(_FOUND, found, FOUND_SECONDS)
    return found


def _tried(name: str, check: Callable[[], None]) -> str:
    try:
        check()
    except NotReady as error:
        _logger.warning("not ready: %s", error)
    except Exception:
        _logger.exception("not ready: %s", name)
    else:
        return "ok"
    return f"{_WORDS[name]}; the server's log says why"


def _ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _ask_redis() -> None:
    if why := reach.answers(REDIS_SECONDS):
        raise NotReady(f"Redis does not answer, so work waits for the reconciler and pages for a look: {why}")


def _write_to_storage() -> None:
    storage = storages["default"]
    name = storage.save(f"ready/{secrets.token_hex(8)}", ContentFile(b"ready"))
    try:
        with storage.open(name) as stored:
            if stored.read() != b"ready":
                raise NotReady("the storage gives back something else than was put there")
    finally:
        storage.delete(name)


def _look_for_migrations() -> None:
    executor = MigrationExecutor(connection)
    if left := executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise NotReady(f"{len(left)} migrations are not applied: run manage.py prepare")


def _use_keys() -> None:
    """Those that this process has, and those of the files: they differ when somebody has changed the files since."""
    if decrypt(encrypt("ready")) != "ready":
        raise NotReady("what is encrypted cannot be read again")
    for name in ("secret_key", "encryption_keys"):
        path = settings.STATE_DIR / "keys" / name
        if not path.is_file():
            raise NotReady(f"the file of the server's {name} is gone: bring it back before the next start")


_CHECKS: Mapping[str, Callable[[], None]] = {
    "database": _ask_database,
    "redis": _ask_redis,
    "storage": _write_to_storage,
    "migrations": _look_for_migrations,
    "keys": _use_keys,
}
_WORDS = {
    "database": "the database does not answer",
    "redis": "Redis does not answer",
    "storage": "the storage cannot be written",
    "migrations": "the database is not of this version",
    "keys": "the keys cannot be used, or not at the next start",
}
