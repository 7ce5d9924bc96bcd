"""Commands as people type them, against the server itself in this process: only the network between is left out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from django.contrib.auth.models import User
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections

from pipelines.people import tokens
from pipelines.people.models import Scope
from pipelines.projects.models import Project, Role
from server.cli.client import connection
from server.cli.main import main
from tests.factories import make_person, make_project

URL = "http://127.0.0.1:8765"


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended, and what it wrote to standard output and to standard error."""

    status: int
    out: str
    err: str


Slipway = Callable[..., Said]
SignIn = Callable[..., User]


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Requests are answered here, and, as with Django's own test client, leave the test's connection open."""
    monkeypatch.setattr(connection, "transport", lambda url: httpx2.WSGITransport(get_wsgi_application()))
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def slipway(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, in_this_process: None
) -> Slipway:
    """Type `slipway` and some words, in an empty directory and with a home of one's own."""
    for name in ("SLIPWAY_URL", "SLIPWAY_TOKEN", "SLIPWAY_PROJECT", "SLIPWAY_INSECURE_HTTP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def type_words(*words: Any) -> Said:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        out, err = capsys.readouterr()
        return Said(int(ended.value.code or 0), out, err)

    return type_words


@pytest.fixture
def project() -> Project:
    return make_project()


@pytest.fixture
def signed_in(project: Project, monkeypatch: pytest.MonkeyPatch, slipway: Slipway) -> SignIn:
    """Somebody with a role in the project, whose token and project the environment names."""

    def sign_in(role: Role = Role.OWNER, *, scopes: tuple[Scope, ...] = tuple(Scope)) -> User:
        person = make_person(project=project, role=role)
        _, token = tokens.personal(person, "laptop", scopes, None, project=None, by="test")
        monkeypatch.setenv("SLIPWAY_URL", URL)
        monkeypatch.setenv("SLIPWAY_TOKEN", token)
        monkeypatch.setenv("SLIPWAY_PROJECT", project.name)
        return person

    return sign_in
