"""Releases and environments from the terminal: what is live, deploying, rolling back, agreeing, configuration."""

import io
import json

import pytest

from pipelines.deploys import queue
from pipelines.deploys.models import Deploy, Environment, Waits
from pipelines.people.models import Scope
from pipelines.projects.models import Project, Role
from pipelines.states.status import Status
from tests.factories import (
    configure,
    finish_deploy,
    make_deploy,
    make_environment,
    make_live,
    make_release,
)
from tests.server.cli.client.conftest import SignIn, Slipway

pytestmark = pytest.mark.django_db


@pytest.fixture
def production(project: Project) -> Environment:
    return make_environment(project, name="production")


def test_releases_are_listed_with_where_they_are_live(
    slipway: Slipway, signed_in: SignIn, project: Project, production: Environment
) -> None:
    signed_in(Role.VIEWER)
    make_live(production)
    make_release(project)
    said = slipway("releases")
    assert said.status == 0, said.err
    _, newest, oldest = said.out.splitlines()
    assert newest.split()[0] == "2"
    assert "production" in oldest
    assert "Add a thing" in slipway("releases", 1).out
    assert json.loads(slipway("releases", 1, "--json").out)["live_in"] == ["production"]


def test_environments_are_listed_and_shown(
    slipway: Slipway, signed_in: SignIn, project: Project, production: Environment
) -> None:
    signed_in(Role.VIEWER)
    make_live(production)
    make_live(production)
    listed = slipway("env", "list")
    assert listed.status == 0, listed.err
    assert listed.out.splitlines()[1].split()[:4] == ["production", "2", "✓", "succeeded"]
    shown = slipway("env", "show", "production")
    assert "slipway rollback production brings release 1 back" in shown.out
    assert all(host.name in shown.out for host in production.hosts.all())


def test_a_deploy_is_asked_for_and_left_to_itself(
    slipway: Slipway, signed_in: SignIn, project: Project, production: Environment
) -> None:
    signed_in(Role.MAINTAINER)
    make_release(project)
    said = slipway("deploy", "production", "--no-wait", "--why", "the shop opens")
    assert said.status == 0, said.err
    assert "deploy 1: release 1 to production" in said.out
    assert Deploy.objects.get().why == "the shop opens"


@pytest.mark.parametrize(
    ("role", "release", "status", "told"),
    [(Role.DEVELOPER, 1, 3, "takes the role maintainer"), (Role.MAINTAINER, 9, 4, "release 9")],
    ids=["who may not deploy", "a release that is not there"],
)
def test_why_nothing_is_deployed_is_told_as_such(
    slipway: Slipway, signed_in: SignIn, production: Environment, role: Role, release: int, status: int, told: str
) -> None:
    signed_in(role)
    make_release(production.project)
    said = slipway("deploy", "production", release)
    assert (said.status, told in said.err) == (status, True), said.err


def test_without_any_release_there_is_none_to_deploy(
    slipway: Slipway, signed_in: SignIn, production: Environment
) -> None:
    signed_in(Role.MAINTAINER)
    assert slipway("deploy", "production").status == 4


def test_a_rollback_without_anywhere_to_go_is_refused(
    slipway: Slipway, signed_in: SignIn, project: Project, production: Environment
) -> None:
    signed_in(Role.MAINTAINER)
    make_live(production)
    said = slipway("rollback", "production")
    assert said.status == 5
    assert "could go back to" in said.err


def test_a_rollback_goes_to_the_last_good_release(
    slipway: Slipway, signed_in: SignIn, project: Project, production: Environment
) -> None:
    signed_in(Role.MAINTAINER)
    make_live(production)
    make_live(production)
    made = json.loads(slipway("rollback", "production", "--no-wait", "--json").out)
    assert (made["release"], made["kind"]) == (1, "rollback")


def test_a_deploy_that_is_over_is_watched_to_its_verdict_with_each_host(
    slipway: Slipway, signed_in: SignIn, production: Environment
) -> None:
    signed_in()
    deploy = finish_deploy(make_deploy(production), Status.FAILED, "too many hosts failed")
    said = slipway("watch", "--deploy", deploy.number)
    assert said.status == 1
    assert "  web-1 ✗ failed" in said.out
    assert "│ web-1: checking health" in said.out  # the end of the host's log
    assert "too many hosts failed" in said.out


def test_a_deploy_that_asks_is_agreed_to_as_it_is_planned(
    slipway: Slipway, signed_in: SignIn, production: Environment
) -> None:
    signed_in(Role.MAINTAINER)
    Environment.objects.filter(pk=production.pk).update(approvals=1)
    deploy = make_deploy(production, actor="ada (#999)")
    queue.settle(production.pk)
    said = slipway("approve", "--deploy", deploy.number)
    assert said.status == 0, said.err
    assert "slipway approve --deploy 1" in said.err  # what was agreed to
    assert "approved: deploy 1 · queued" in said.out


def test_a_deploy_that_asks_is_refused_with_the_reason(
    slipway: Slipway, signed_in: SignIn, production: Environment
) -> None:
    signed_in(Role.MAINTAINER)
    Environment.objects.filter(pk=production.pk).update(approvals=1)
    deploy = make_deploy(production, actor="ada (#999)")
    queue.settle(production.pk)
    assert "■ cancelled" in slipway("approve", "--deploy", deploy.number, "--refuse", "not on a Friday").out
    deploy.refresh_from_db()
    assert "not on a Friday" in deploy.reason


def test_configuration_is_read_and_changed_value_by_value(
    slipway: Slipway, signed_in: SignIn, production: Environment
) -> None:
    signed_in()
    configure(production, {"WORKERS": "2", "OLD": "x"})
    assert slipway("env", "get", "production").out == "OLD=x\nWORKERS=2\n"
    said = slipway("env", "set", "production", "WORKERS=4", "GREETING=good day = all")
    assert said.status == 0, said.err
    assert slipway("env", "unset", "production", "OLD").status == 0
    assert slipway("env", "get", "production").out == "GREETING=good day = all\nWORKERS=4\n"
    missing = slipway("env", "unset", "production", "OLD")
    assert missing.status == 2
    assert "no value OLD" in missing.err


def test_a_secret_goes_in_by_standard_input_and_never_comes_out(
    slipway: Slipway, signed_in: SignIn, production: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in()
    monkeypatch.setattr("sys.stdin", io.StringIO("very secret value\n"))
    said = slipway("env", "secret", "production", "DB_PASSWORD")
    assert said.status == 0, said.err
    assert production.secrets.get(name="DB_PASSWORD").value == "very secret value"
    shown = slipway("env", "get", "production")
    assert "DB_PASSWORD" in shown.out
    assert "very secret" not in shown.out
    assert slipway("env", "forget", "production", "DB_PASSWORD").status == 0
    assert slipway("env", "forget", "production", "DB_PASSWORD").status == 4


def test_a_lock_keeps_deploys_away_until_it_is_taken_off(
    slipway: Slipway, signed_in: SignIn, project: Project, production: Environment
) -> None:
    signed_in()
    make_release(project)
    assert "locked: we count the stock" in slipway("env", "lock", "production", "--why", "we count the stock").out
    deploy = make_deploy(production, actor="ada (#999)")
    queue.settle(production.pk)
    deploy.refresh_from_db()
    assert deploy.waits_for == Waits.LOCK
    assert "locked" not in slipway("env", "unlock", "production").out
    assert slipway("env", "unlock", "production").status == 5


def test_a_queue_is_paused_and_resumed(slipway: Slipway, signed_in: SignIn, production: Environment) -> None:
    signed_in()
    assert "its queue is paused" in slipway("env", "pause", "production", "--why", "lunch").out
    assert "paused" not in slipway("env", "resume", "production").out


def test_a_token_that_may_run_may_not_deploy(
    slipway: Slipway, signed_in: SignIn, project: Project, production: Environment
) -> None:
    signed_in(Role.OWNER, scopes=(Scope.READ, Scope.RUN))
    make_release(project)
    assert slipway("deploy", "production").status == 3
