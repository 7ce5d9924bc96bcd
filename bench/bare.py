"""The yardsticks of the webhook and of the pages: the least that Django and uvicorn can do about a delivery, one row in
SQLite, and about a page, one template of some rows.

No signature, no worker, nothing follows from it; the database has the same options as the server's own.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import Context, Engine
from django.urls import path

from tests.lab.ground import free_port

_START_SECONDS = 30
_ROWS = 50
_PAGE = Engine(autoescape=True).from_string(
    "<!doctype html><title>bare</title><table>{% for row in rows %}<tr><th>{{ row }}</th><td>{{ row|add:1 }}</td>"
    "<td>{{ forloop.counter }}</td></tr>{% endfor %}</table>"
)


def hook(request: HttpRequest) -> JsonResponse:
    """Read the delivery, keep it, answer."""
    payload = json.loads(request.body)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO delivery (ref, sha, body) VALUES (%s, %s, %s)", _row(payload, request.body))
    return JsonResponse({"stored": True}, status=202)


def page(request: HttpRequest) -> HttpResponse:
    """A table, and no question to the database."""
    return HttpResponse(_PAGE.render(Context({"rows": range(_ROWS)})))


urlpatterns = [path("hook", hook), path("page", page), path("healthz", lambda _: JsonResponse({}))]


def application(database: str) -> Any:
    """The ASGI application, with its table made."""
    options = {"timeout": 20, "transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL;"}
    sqlite = {"ENGINE": "django.db.backends.sqlite3", "NAME": database, "OPTIONS": options, "CONN_MAX_AGE": None}
    settings.configure(
        DATABASES={"default": sqlite},
        ROOT_URLCONF=__name__,
        ALLOWED_HOSTS=["*"],
        MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    )
    made = get_asgi_application()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE delivery (id INTEGER PRIMARY KEY, ref TEXT, sha TEXT, body BLOB)")
    return made


@contextlib.contextmanager
def bare_view(directory: Path) -> Iterator[str]:
    """Run it in a process of its own; gives the URL of its hook."""
    port = free_port()
    command = [sys.executable, "-m", "bench.bare", str(directory / "bare.sqlite3"), str(port)]
    process = subprocess.Popen(command, env={k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"})
    try:
        _await(f"http://127.0.0.1:{port}/healthz")
        yield f"http://127.0.0.1:{port}/hook"
    finally:
        process.terminate()
        process.wait(10)


def _row(payload: dict[str, Any], body: bytes) -> list[str | bytes]:
    return [payload["ref"], payload["after"], body]


def _await(url: str) -> None:
    give_up_at = time.monotonic() + _START_SECONDS
    while True:
        try:
            urllib.request.urlopen(url, timeout=2).close()  # noqa: S310  our own
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.05)
        else:
            return


def main() -> None:
    """`python -m bench.bare DATABASE PORT`."""
    import uvicorn

    uvicorn.run(application(sys.argv[1]), port=int(sys.argv[2]), lifespan="off", log_level="warning")


if __name__ == "__main__":
    main()
