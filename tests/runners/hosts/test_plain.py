"""Releases that are commands, on real hosts: a clone that fetches for itself."""

import contextlib
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from pipelines.deploys import lifecycle
from pipelines.deploys.models import Deploy, Environment, EnvironmentSecret, Release
from pipelines.deploys.rollbacks import roll_back
from pipelines.errors import LostRace
from pipelines.states.status import Status
from runners.hosts import deploy as story
from tests import factories
from tests.lab.patience import until
from tests.lab.sshd import Sshd
from tests.runners.hosts.sites import HOLD, bring, let_go, make_environment, on, perform, take_over, text_of

pytestmark = pytest.mark.django_db(transaction=True)

FETCH = "git fetch --quiet origin"
CHECK_OUT = 'git -c advice.detachedHead=false checkout --quiet --force "$SLIPWAY_SHA"'
RESTART = "echo $SLIPWAY_RELEASE $SLIPWAY_REF $COLOUR $TOKEN > served"


def git(where: Path, *words: str) -> str:
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "safe.directory=*"]
    done = subprocess.run(["git", *who, "-C", str(where), *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(upstream: Path, text: str) -> str:
    (upstream / "page").write_text(text)
    git(upstream, "add", ".")
    git(upstream, "commit", "--quiet", "--message", text)
    return git(upstream, "rev-parse", "HEAD")


@pytest.fixture
def upstream(tmp_path: Path, hosts: list[Sshd]) -> Path:
    """A repository with two commits; each host has a clone of the first."""
    path = tmp_path / "upstream"
    path.mkdir()
    git(path, "init", "--quiet", "--initial-branch=main")
    commit(path, "one")
    for host in hosts:
        git(tmp_path, "clone", "--quiet", str(path), str(host.root / "shop"))
    commit(path, "two")
    return path


def make_release(environment: Environment, sha: str, **deploy: Any) -> Release:
    release = factories.make_release(environment.project)
    release.sha, release.artifact = sha, None
    release.deploy_spec = {
        "commands": [FETCH, CHECK_OUT, RESTART],
        "path": "/srv/shop",
        "health": {"command": "test -s served", "timeout_seconds": 5},
        "strategy": {"waves": [1, "rest"]},
        **deploy,
    }
    release.save()
    return release


def pages(hosts: list[Sshd]) -> list[str]:
    return [on(host, "page") for host in hosts]


def test_the_commands_bring_every_host_to_the_releases_commit(hosts: list[Sshd], upstream: Path) -> None:
    environment = make_environment(hosts)
    factories.configure(environment, {"COLOUR": "blue"})
    EnvironmentSecret.objects.create(environment=environment, name="TOKEN", value="s3cret-value-1")
    release = make_release(environment, git(upstream, "rev-parse", "HEAD"))
    deploy = bring(environment, release)
    assert deploy.status == Status.SUCCEEDED, text_of(deploy)
    assert pages(hosts) == ["two"] * 3
    assert on(hosts[0], "served") == f"{release.number} refs/heads/main blue s3cret-value-1\n"
    assert f"$ {CHECK_OUT}" in text_of(deploy)
    assert "s3cret-value-1" not in text_of(deploy)


def test_what_slipway_keeps_lies_out_of_gits_way(hosts: list[Sshd], upstream: Path) -> None:
    environment = make_environment(hosts[:1])
    bring(environment, make_release(environment, git(upstream, "rev-parse", "HEAD")))
    assert git(hosts[0].root / "shop", "status", "--porcelain") == "?? served"
    assert (hosts[0].root / "shop/.slipway/.slipway-release").read_text().startswith("release=1\n")


def test_a_rollback_runs_the_commands_with_the_earlier_commit(hosts: list[Sshd], upstream: Path) -> None:
    environment = make_environment(hosts)
    one, two = git(upstream, "rev-list", "--reverse", "HEAD").split()
    first = make_release(environment, one)
    for release in (first, make_release(environment, two)):
        assert bring(environment, release).status == Status.SUCCEEDED
    rollback = perform(roll_back(environment, first, "ada (#1)"))
    assert rollback.status == Status.SUCCEEDED, text_of(rollback)
    assert pages(hosts) == ["one"] * 3


def test_the_first_command_that_fails_ends_the_deploy_and_the_host_is_brought_back(
    hosts: list[Sshd], upstream: Path
) -> None:
    environment = make_environment(hosts)
    one, two = git(upstream, "rev-list", "--reverse", "HEAD").split()
    bring(environment, make_release(environment, one))
    failed = bring(
        environment, make_release(environment, two, commands=[FETCH, CHECK_OUT, "exit 7", "echo never > no"])
    )
    assert failed.status == Status.FAILED
    assert "command-3 ended with status 7" in failed.reason
    assert on(hosts[0], "no") == ""
    assert pages(hosts) == ["two", "one", "one"]
    rollback = perform(Deploy.objects.get(undoes=failed))
    assert rollback.status == Status.SUCCEEDED, text_of(rollback)
    assert pages(hosts) == ["one"] * 3


def test_a_worker_that_takes_over_runs_no_command_twice(hosts: list[Sshd], upstream: Path) -> None:
    environment = make_environment(hosts[:1])
    slow = [
        "echo first >> ledger",
        f"echo second >> ledger; {HOLD.replace('../../', '')}",
        "echo third >> ledger; touch served; echo x > served",
    ]
    sha = git(upstream, "rev-parse", "HEAD")
    deploy = factories.make_deploy(environment, make_release(environment, sha, commands=slow))
    claim = lifecycle.claim_deploy(deploy.pk, "worker-1")

    def lose() -> None:
        with contextlib.suppress(LostRace):
            story.run(claim)
        connection.close()

    worker = threading.Thread(target=lose)
    worker.start()
    until("the second command", lambda: "second" in on(hosts[0], "ledger"))
    time.sleep(0.5)
    take_over(deploy, once_taken=lambda: let_go(hosts[:1]))
    worker.join()
    assert deploy.status == Status.SUCCEEDED, text_of(deploy)
    assert on(hosts[0], "ledger") == "first\nsecond\nthird\n"
