"""What happens on one host of a deploy: how often it is asked, its hooks, its limits, and who may act on it."""

import os
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection
from django.utils import timezone

from pipelines.deploys import waits
from pipelines.deploys.models import Deploy, Waits
from pipelines.logs import store
from pipelines.states.status import Status
from runners.hosts import convoy, hostlog, performing
from runners.hosts.ssh.client import SSHConnection
from tests import factories
from tests.lab.sshd import Sshd
from tests.runners.hosts.sites import bring, current, make_environment, make_release, on, perform, text_of

pytestmark = pytest.mark.django_db(transaction=True)

ALONE = {"waves": ["rest"], "parallel": 10, "max_failures": 0}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every command that a host is given."""
    commands: list[str] = []
    run = SSHConnection.run

    def counted(self: SSHConnection, command: str, **more: Any) -> Any:
        commands.append(command)
        return run(self, command, **more)

    monkeypatch.setattr(SSHConnection, "run", counted)
    return commands


@pytest.mark.parametrize(
    ("section", "count"),
    [
        ({"activate": None, "health": None}, 3),
        ({}, 4),
    ],
)
def test_a_host_is_asked_few_times(hosts: list[Sshd], asked: list[str], section: dict[str, Any], count: int) -> None:
    """The pre-flight, the upload, the switch with the activation, and health with all that ends it."""
    environment = make_environment(hosts[:1])
    deploy = bring(environment, make_release(environment, migrate=None, **section))
    assert deploy.status == Status.SUCCEEDED, text_of(deploy)
    assert len(asked) == count


def test_no_command_line_bears_a_secret(hosts: list[Sshd], asked: list[str]) -> None:
    environment = make_environment(hosts[:1])
    environment.secrets.create(name="TOKEN", value="s3cret-value-1")
    assert bring(environment, make_release(environment)).status == Status.SUCCEEDED
    assert "s3cret-value-1" in on(hosts[0], "current/.env")
    assert not [command for command in asked if "s3cret" in command]


def hook(text: str, **more: Any) -> dict[str, Any]:
    return {"run": f"echo {text} >> ../../story", **more}


def test_hooks_run_before_the_switch_and_after_health_and_see_what_is_deployed(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts[:1])
    told = "$SLIPWAY_RELEASE $SLIPWAY_DEPLOY $SLIPWAY_ENVIRONMENT $SLIPWAY_HOST $SLIPWAY_REF $SLIPWAY_SHA"
    hooks = {"before": [hook("$(test -e ../../current || echo early) " + told)], "after": [hook("after")]}
    release = make_release(environment, hooks=hooks, activate="echo activate >> ../../story")
    deploy = bring(environment, release)
    assert deploy.status == Status.SUCCEEDED, text_of(deploy)
    facts = f"{release.number} {deploy.number} production web-1 {release.ref} {release.sha}"
    assert on(hosts[0], "story").splitlines() == [f"early {facts}", "activate", "after"]


def test_a_hook_before_that_fails_leaves_the_host_as_it_is(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts[:1])
    deploy = bring(environment, make_release(environment, hooks={"before": [{"run": "echo not today; exit 7"}]}))
    assert deploy.status == Status.FAILED
    assert "before-1 ended with status 7" in deploy.reason
    assert "not today" in text_of(deploy)
    assert current(hosts[0]) == ""


def test_the_failure_hook_runs_on_a_host_that_was_switched_and_the_first_reason_counts(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts[:1])
    hooks = {"failure": [hook("failed $SLIPWAY_RELEASE"), {"run": "exit 9"}]}
    release = make_release(environment, hooks=hooks, activate="exit 4")
    deploy = bring(environment, release)
    assert "activate ended with status 4" in deploy.reason
    assert on(hosts[0], "story") == f"failed {release.number}\n"


@pytest.mark.parametrize(
    ("limits", "command", "reason"),
    [
        ({"timeout_seconds": 3}, "while :; do echo on; sleep 0.2; done", "took longer than 3 s"),
        ({"silence_seconds": 3}, "echo on; sleep 300", "was silent for 3 s"),
    ],
)
def test_a_command_that_takes_too_long_or_falls_silent_is_ended(
    hosts: list[Sshd], limits: dict[str, Any], command: str, reason: str
) -> None:
    environment, needle = make_environment(hosts[:1]), f"needle-{uuid.uuid4().hex}"
    release = make_release(environment, migrate=None, activate=f"{command}; : {needle}", **limits)
    deploy = bring(environment, release)
    assert deploy.status == Status.FAILED
    assert reason in deploy.reason
    assert hosts[0].processes(needle) == []


def test_a_host_that_talks_without_end_is_cut_off_with_a_mark_and_goes_on(
    hosts: list[Sshd], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (hostlog, performing):
        monkeypatch.setattr(module, "HOST_LOG_BYTES_MAX", 100_000)
    environment = make_environment(hosts[:1])
    deploy = bring(environment, make_release(environment, activate="yes talk | head -c 5000000; touch ../../done"))
    assert deploy.status == Status.SUCCEEDED, deploy.reason
    assert (hosts[0].root / "shop/done").exists()
    text = text_of(deploy)
    assert "what the host prints beyond that is not kept" in text
    assert "is live here" in text
    assert len(text) < 110_000
    assert store.doubled_or_missing() == []


@pytest.mark.parametrize("section", [{}, {"activate": None, "health": None}])
def test_a_host_whose_connection_breaks_once_in_each_thing_that_is_done_there_comes_over(
    hosts: list[Sshd], monkeypatch: pytest.MonkeyPatch, section: dict[str, Any]
) -> None:
    """The pre-flight, the upload, the switch, and the question for health with what ends it."""
    run, seen = SSHConnection.run, list[str]()

    def cut_off_once(self: SSHConnection, command: str, **more: Any) -> Any:
        if command not in seen:
            seen.append(command)
            list(more.get("stdin", ()))
            hosts[0].drop_connections()
        return run(self, command, **more)

    environment = make_environment(hosts[:1])
    release = make_release(environment, migrate=None, **section)
    monkeypatch.setattr(SSHConnection, "run", cut_off_once)
    deploy = bring(environment, release)
    assert deploy.status == Status.SUCCEEDED, text_of(deploy)
    assert len(seen) >= 3
    assert current(hosts[0]) == f"release {release.number}"
    assert on(hosts[0], "activations").count("\n") == ("activate" not in section)


def test_two_servers_do_not_deploy_to_one_host(hosts: list[Sshd], settings: LazySettings) -> None:
    settings.SLIPWAY_SERVER_ID, settings.SLIPWAY_URL = "b7c1", "https://other.example"
    theirs = make_environment(hosts[:1])
    assert bring(theirs, make_release(theirs)).status == Status.SUCCEEDED
    settings.SLIPWAY_SERVER_ID = "a001"
    ours = make_environment(hosts)
    deploy = bring(ours, make_release(ours))
    assert deploy.status == Status.FAILED
    assert "another Slipway server is at work on this host: b7c1 https://other.example" in deploy.reason
    assert not deploy.hosts.filter(switched=True).exists()
    _be_quiet(hosts)
    deploy = bring(ours, make_release(ours))
    assert deploy.status == Status.SUCCEEDED, text_of(deploy)
    assert "taken over from another Slipway server, which has been quiet here: b7c1" in _log_of(deploy, "web-1")


def test_a_host_is_held_while_a_long_silent_wait_goes_on(hosts: list[Sshd], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convoy, "RENEW_SECONDS", 0.3)
    environment = make_environment(hosts[:1])
    health = {"command": "test -e /srv/shop/well", "timeout_seconds": 60, "interval_seconds": 1}
    deploy = factories.make_deploy(environment, make_release(environment, migrate=None, health=health))
    performing = threading.Thread(target=_perform, args=(deploy,))
    performing.start()
    try:
        _until(lambda: Path(hosts[0].root, "shop/current").is_symlink())
        time.sleep(1)
        _be_quiet(hosts)
        _until(lambda: time.time() - Path(hosts[0].root, "shop/.slipway-lock/renewed").stat().st_mtime < 60)
    finally:
        Path(hosts[0].root, "shop/well").touch()
        performing.join()
    deploy.refresh_from_db()
    assert deploy.status == Status.SUCCEEDED, text_of(deploy)


def test_a_deploy_that_bakes_or_waits_for_a_person_keeps_its_hosts(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts[:2])
    strategy = {"waves": [1, "rest"], "parallel": 1, "max_failures": 0, "bake_seconds": 3600}
    deploy = factories.make_deploy(environment, make_release(environment, strategy=strategy))
    perform(deploy)
    assert deploy.status == Status.BLOCKED, text_of(deploy)
    renewed = Path(hosts[0].root, "shop/.slipway-lock/renewed")
    assert renewed.stat().st_mtime > time.time() + 3000
    Deploy.objects.filter(pk=deploy.pk).update(pause_requested_at=timezone.now(), baked_waves=1)
    waits.go_on(deploy, "ada")
    perform(deploy)
    assert (deploy.status, deploy.waits_for) == (Status.BLOCKED, Waits.PAUSE), text_of(deploy)
    assert renewed.stat().st_mtime > time.time() + 80_000


def _perform(deploy: Deploy) -> None:
    try:
        perform(deploy)
    finally:
        connection.close()


def _until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def _be_quiet(servers: Sequence[Sshd]) -> None:
    for server in servers:
        for renewed in Path(server.root).glob("shop/.slipway-lock/renewed"):
            os.utime(renewed, (1, 1))


def _log_of(deploy: Deploy, name: str) -> str:
    row = deploy.hosts.select_related("log").get(host__name=name)
    return b"".join(store.read(row.log)).decode()
