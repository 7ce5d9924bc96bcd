"""Out of one server and into another, by the commands, on each database: what was there is there again."""

import contextlib
import gzip
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from tests.faults.records import Records
from tests.lab.postgres import postgres
from tests.lab.server import ROOT

SECRET = "s3cr3t-of-the-backup"
SESSION = "sessionkeyofsomebodywhoissigned1"


def fill() -> None:
    """A project with a secret, a release that is live, a log in storage and one in rows, and a run under way."""
    from pipelines.audit.record import record, seal
    from pipelines.logs import store
    from tests.factories import (
        finish_stage,
        make_environment,
        make_live,
        make_person,
        make_project,
        make_run,
        make_secret,
    )

    project = make_project("shop")
    make_secret(project, "TOKEN", SECRET)
    make_live(make_environment(project))
    archived = finish_stage(make_run(project), "build", text=b"in storage\n" * 1000)
    store.archive(archived.log)
    finish_stage(make_run(project), "build", text=b"in rows\n" * 1000)
    sign_in(make_person("ana"))
    record("ana (#1)", "looked", "around")
    seal()


def sign_in(person: User) -> None:
    from allauth.usersessions.models import UserSession
    from django.contrib.sessions.models import Session
    from django.utils import timezone

    Session.objects.create(session_key=SESSION, session_data="", expire_date=timezone.now() + timedelta(days=1))
    UserSession.objects.create(session_key=SESSION, user=person, ip="192.0.2.1", user_agent="", data={})


def sessions() -> int:
    from allauth.usersessions.models import UserSession
    from django.contrib.sessions.models import Session

    return int(Session.objects.count() + UserSession.objects.count())


def facts() -> dict[str, Any]:
    """What must be the same before and after."""
    from django.core.files.storage import default_storage

    from pipelines.audit.record import verify
    from pipelines.logs import store
    from pipelines.projects.models import Secret
    from pipelines.runs.models import Artifact, Attempt

    logs = {f"{one.stage} {one.number}": b"".join(store.read(one.log)) for one in Attempt.objects.order_by("pk")}
    files = {one.storage_name: default_storage.open(one.storage_name).read() for one in Artifact.objects.all()}
    return {"audit": verify(), "secret": Secret.objects.get().value, "logs": logs, "files": files}


def after() -> dict[str, Any]:
    """What the restore itself has done, and that rows can be added after those that came back."""
    from pipelines.deploys.models import Environment
    from pipelines.runs.models import Run
    from tests.factories import make_project

    run = Run.objects.get(number=3)
    paused = Environment.objects.get().paused_because
    return {"status": run.status, "paused": paused[:13], "new": make_project("new").pk > 1}


@contextlib.contextmanager
def two(kind: str, directory: Path) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Settings of two servers, each with a state directory and a database of its own."""
    first, second = ({"SLIPWAY_STATE_DIR": str(directory / name)} for name in ("first", "second"))
    with contextlib.ExitStack() as stack:
        if kind == "postgresql":
            for settings in (first, second):
                settings["SLIPWAY_DATABASE_URL"] = stack.enter_context(postgres())
        yield first, second


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_server_comes_back_as_it_was(kind: str, tmp_path: Path) -> None:
    vault, keys = str(tmp_path / "vault"), str(tmp_path / "keys.json")
    with two(kind, tmp_path) as (first, second):
        manage(first, "migrate", "--skip-checks")
        with Records(first) as records:
            records.ask(fill)
            before = records.ask(facts)
        manage(first, "backup", vault, "--with-keys", keys, "--check")
        assert "are not those of the backup" in manage(second, "restore", vault, fails=True)
        said = manage(second, "restore", vault, "--keys", keys)
        assert "Under way had been 2 runs" in said
        with Records(second) as records:
            assert records.ask(facts) == before
            assert records.ask(after) == {"status": "errored", "paused": "restored from", "new": True}
        assert "is not empty" in manage(second, "restore", vault, "--keys", keys, fails=True)
        assert before["secret"] == SECRET
        assert before["audit"] is None
        assert manage(second, "migrate", "--check", "--skip-checks") == ""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_nobody_is_signed_in_by_what_stands_in_a_backup(kind: str, tmp_path: Path) -> None:
    vault, keys = tmp_path / "vault", str(tmp_path / "keys.json")
    with two(kind, tmp_path) as (first, second):
        manage(first, "migrate", "--skip-checks")
        with Records(first) as records:
            records.ask(fill)
            manage(first, "backup", str(vault), "--with-keys", keys)
            assert records.ask(sessions) == 2
        packed = [path for path in (vault / "files").glob("??/*") if path.read_bytes()[:2] == b"\x1f\x8b"]
        assert any(b"shop" in gzip.decompress(path.read_bytes()) for path in packed)
        assert not any(SESSION.encode() in gzip.decompress(path.read_bytes()) for path in packed)
        manage(second, "restore", str(vault), "--keys", keys)
        with Records(second) as records:
            assert records.ask(sessions) == 0


def test_a_damaged_backup_is_refused_before_anything_is_touched(tmp_path: Path) -> None:
    vault, keys = tmp_path / "vault", str(tmp_path / "keys.json")
    with two("sqlite", tmp_path) as (first, second):
        manage(first, "migrate", "--skip-checks")
        manage(first, "backup", str(vault), "--with-keys", keys)
        content = next((vault / "files").glob("??/*"))
        content.write_bytes(content.read_bytes()[:-1] + b"!")
        assert "is not what was backed up" in manage(second, "restore", str(vault), "--keys", keys, fails=True)
        assert not (tmp_path / "second" / "storage").exists()
        inside = str(vault / "keys.json")
        assert "lies in the backup" in manage(first, "backup", str(vault), "--with-keys", inside, fails=True)


def manage(settings: Mapping[str, str], *arguments: str, fails: bool = False) -> str:
    """What the command said; of one that is to fail, what it complained of."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")}
    variables = {**kept, **settings, "DJANGO_SETTINGS_MODULE": "server.settings"}
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    done = subprocess.run(command, env=variables, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode != 0) is fails, done.stdout + done.stderr
    return done.stderr if fails else done.stdout
