"""A restore that is killed at each of its steps: a whole database stands there at any moment; it is said what to do."""

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.records import Records
from tests.lab.server import ROOT
from tests.pipelines.backups.test_round_trip import fill, manage

# Python tells of what it is about to do; at the first that is so, the process kills itself as nothing can be caught.
RESTORE = """
import os, runpy, signal, sys
event, part, mode, *sys.argv = sys.argv[1:]
def kill(happens, given):
    if happens == "os.remove" and not os.path.exists(given[0]):
        return
    if happens == event and part in str(given) and mode in str(given):
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(kill)
runpy.run_path(sys.argv[0], run_name="__main__")
"""
UNFINISHED = {
    "the database is unpacked": ("open", ".restoring", "'w"),
    "a file of the storage is half written": ("fcntl.flock", "", ""),
    "the database is brought up to date": ("sqlite3.connect", ".restoring", ""),
    "the former database is put aside": ("os.link", ".before-restore", ""),
    "the new one takes its place": ("os.rename", ".restoring", ""),
}
FINISHED = {
    "the new one is read": ("sqlite3.connect", "mode=ro", ""),
    "the former one is removed": ("os.remove", ".before-restore", ""),
}


@dataclass(frozen=True, slots=True)
class Backup:
    vault: str
    keys: str
    facts: dict[str, str]


def facts(state: Path) -> dict[str, str]:
    """The files of the storage by their content, and how many rows are in the tables that a restore does not add to."""
    storage = state / "storage"
    found = {
        str(path.relative_to(storage)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in storage.rglob("*")
        if path.is_file()
    }
    with closing(sqlite3.connect(f"file:{state}/slipway.sqlite3?mode=ro", uri=True)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        there = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        tables = {"runs_run", "projects_secret", "runs_artifact", "logs_chunk", "deploys_release"} & there
        return found | {name: str(database.execute(f"SELECT count(*) FROM {name}").fetchone()) for name in tables}


@pytest.fixture(scope="module")
def backup(tmp_path_factory: pytest.TempPathFactory) -> Backup:
    place = tmp_path_factory.mktemp("first")
    state, vault, keys = place / "state", str(place / "vault"), str(place / "keys.json")
    first = {"SLIPWAY_STATE_DIR": str(state)}
    manage(first, "migrate", "--skip-checks")
    with Records(first) as records:
        records.ask(fill)
    manage(first, "backup", vault, "--with-keys", keys)
    return Backup(vault, keys, facts(state))


def kill(state: Path, backup: Backup, event: str, part: str, mode: str) -> None:
    """A restore into it that dies when it is about to do this."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")}
    variables |= {"SLIPWAY_STATE_DIR": str(state), "DJANGO_SETTINGS_MODULE": "server.settings"}
    command = [sys.executable, "-c", RESTORE, event, part, mode, str(ROOT / "manage.py"), "restore", backup.vault]
    command += ["--keys", backup.keys]
    done = subprocess.run(command, env=variables, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr


def test_killed_before_its_end_it_is_said_so_and_the_same_command_begins_anew(tmp_path: Path, backup: Backup) -> None:
    """Killed again and again, each time a step later; at any moment what was here before is here."""
    settings, again = {"SLIPWAY_STATE_DIR": str(tmp_path)}, ("restore", backup.vault, "--keys", backup.keys)
    for step in UNFINISHED.values():
        kill(tmp_path, backup, *step)
        assert "runs_run" not in facts(tmp_path)
    assert "broke off, and this server is not whole. Give the same" in manage(settings, "prepare", fails=True)
    mine = tmp_path / "storage" / "mine"
    mine.write_text("of somebody else, never to be removed")
    assert "there is mine" in manage(settings, *again, fails=True)
    mine.unlink()
    assert "It begins anew." in manage(settings, *again)
    assert facts(tmp_path) == backup.facts
    assert not list(tmp_path.glob("*restor*"))


@pytest.mark.parametrize("step", FINISHED)
def test_killed_after_the_step_that_counts_the_server_is_whole(step: str, tmp_path: Path, backup: Backup) -> None:
    kill(tmp_path, backup, *FINISHED[step])
    assert facts(tmp_path) == backup.facts
    assert "A restore had come to its end here" in manage({"SLIPWAY_STATE_DIR": str(tmp_path)}, "prepare")
    assert facts(tmp_path) == backup.facts
    assert not list(tmp_path.glob("*restor*"))
