"""A backup is made while a stage writes; the server made from it remembers all, and does nothing by itself."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tests.faults.records import Records
from tests.lab.browser import Browser
from tests.lab.operator import Operator
from tests.lab.server import ROOT, Server, server
from tests.stories.works import Works

SECRET = "s3cr3t-of-the-backup"
SLOW = """\
image: IMAGE
stages:
  slow:
    steps:
      - for n in $(seq 3000); do echo "line $n"; sleep 0.1; done
"""


def test_a_server_is_restored_from_a_backup_made_while_a_stage_writes(works: Works, tmp_path: Path) -> None:
    operator, vault, keys = works.scene.operator, tmp_path / "vault", tmp_path / "elsewhere" / "keys.json"
    operator.add_secret(works.name, "TOKEN", SECRET)
    works.scene.add_production(works.name)
    works.push_good("1.0")
    works.ends(1, "succeeded")
    works.deploy_ends(1, "succeeded")
    log, digest = works.log(1, "test"), works.artifact_digest(1, "package")
    works.push(SLOW)
    works.await_log(2, "slow", "line 20")
    keys.parent.mkdir()
    made = manage(works.scene.server.settings, "backup", str(vault), "--with-keys", str(keys), "--check")
    assert "files are as they were put there" in made
    again = manage(works.scene.server.settings, "backup", str(vault), "--keep", "1")
    assert "Removed the backup" in again
    works.scene.operator.browser.press(works.page(2), "Cancel run")
    works.ends(2, "cancelled")

    state = tmp_path / "restored"
    settings = {"SLIPWAY_STATE_DIR": str(state)}
    assert "holds other keys" in refused(settings, "restore", str(vault), "--keys", str(other_keys(tmp_path)))
    restored = manage(settings, "restore", str(vault), "--keys", str(keys))
    assert "runs and" in restored
    assert "is not empty" in refused(settings, "restore", str(vault), "--keys", str(keys))
    with server(works.scene.here, state, SERVER_ID=f"{works.scene.here.name}-restored", POLL_SECONDS="2") as second:
        assert "this server runs" in refused(second.settings, "restore", str(vault))
        remembers(works, second, log, digest)
        time.sleep(8)  # its clock has looked again and again
        does_nothing(works, second)
    assert works.served() == {"1.0"}


def remembers(works: Works, second: Server, log: str, digest: str) -> None:
    """What it tells on its pages is what the first told, in its audit as well, and it reads its secrets."""
    known = works.scene.operator
    operator = Operator(Browser(second.url), known.name, known.password)
    operator.sign_in()
    there = replace(works, scene=replace(works.scene, server=second, operator=operator))
    assert there.log(1, "test") == log
    assert there.artifact_digest(1, "package") == digest
    assert there.page(2).title.startswith("errored")
    assert "line 20" in there.log(2, "slow")
    assert "restored from a backup" in there.page(2).words
    assert "production runs release 1" in operator.environment(works.name, "production").title
    assert "The audit holds" in manage(second.settings, "verify_audit")
    with Records(second.settings) as records:
        assert records.ask(secret_of, works.name) == SECRET


def does_nothing(works: Works, second: Server) -> None:
    with Records(second.settings) as records:
        assert records.ask(under_way, works.name) == []
        assert records.ask(paused_because, works.name).startswith("restored from a backup")


def manage(settings: Mapping[str, str], *arguments: str) -> str:
    done = _run(settings, arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def refused(settings: Mapping[str, str], *arguments: str) -> str:
    done = _run(settings, arguments)
    assert done.returncode != 0, done.stdout
    return done.stderr


def other_keys(directory: Path) -> Path:
    """Those of another server."""
    elsewhere = {"SLIPWAY_STATE_DIR": str(directory / "another")}
    manage(elsewhere, "migrate", "--skip-checks")
    manage(elsewhere, "backup", str(directory / "another-vault"), "--with-keys", str(directory / "another.json"))
    return directory / "another.json"


def secret_of(project: str) -> str:
    from pipelines.projects.models import Secret

    return str(Secret.objects.get(project__name=project).value)


def under_way(project: str) -> list[str]:
    from pipelines.deploys.models import Deploy
    from pipelines.runs.models import Run

    runs = Run.objects.filter(project__name=project, finished_at=None)
    return [*map(str, runs), *map(str, Deploy.objects.filter(environment__project__name=project, finished_at=None))]


def paused_because(project: str) -> str:
    from pipelines.deploys.models import Environment

    return Environment.objects.get(project__name=project).paused_because


def _run(settings: Mapping[str, str], arguments: tuple[str, ...]) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")}
    variables = {**kept, **settings, "DJANGO_SETTINGS_MODULE": "server.settings"}
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    return subprocess.run(command, env=variables, cwd=ROOT, capture_output=True, text=True, check=False)
