"""GitHub deployments, told to a code host over HTTP."""

import threading
from collections.abc import Iterator

import pytest
from pytest_django import Settings

from pipelines.deploys import requests
from pipelines.deploys.models import Deploy, DeployKind, Environment
from pipelines.outbox.models import Channel, Message
from pipelines.states.status import Status
from server.notifications import announcer
from server.scm import deployments
from tests.factories import begin_deploy, finish_deploy, make_deploy, make_environment, make_live, make_project
from tests.lab.codehost import CodeHost, code_host
from tests.lab.stand_in import Answer

pytestmark = pytest.mark.django_db


@pytest.fixture
def host(settings: Settings) -> Iterator[CodeHost]:
    with code_host() as running:
        running.create("acme/shop")
        settings.SLIPWAY_GITHUB_API = running.url
        settings.SLIPWAY_URL = "https://slipway.example"
        yield running


@pytest.fixture
def environment() -> Environment:
    project = make_project("shop", code_host_name="acme/shop", code_host_token="ghp_lab")
    return make_environment(project, is_production=True, url="https://shop.example")


def drain() -> None:
    announcer.drain(Channel.DEPLOYMENT, threading.Event())


def test_a_deploy_is_told_step_by_step_as_one_deployment_of_its_commit(
    host: CodeHost, environment: Environment
) -> None:
    deploy = make_deploy(environment)
    drain()
    finish_deploy(deploy)
    drain()
    (made,) = host.deployments.made
    assert made.states == ["queued", "in_progress", "success"]
    assert made.given["ref"] == deploy.release.sha
    assert (made.given["environment"], made.given["production_environment"]) == ("production", True)
    assert made.given["required_contexts"] == []
    last = made.statuses[-1]
    assert last["log_url"] == "https://slipway.example/projects/shop/deploys/1/"
    assert last["environment_url"] == "https://shop.example"
    assert last["auto_inactive"] is False
    deploy.refresh_from_db()
    assert deploy.code_host_id == made.id


def test_a_failure_says_its_verdict_alone_and_the_rollback_becomes_the_active_one(
    host: CodeHost, environment: Environment
) -> None:
    make_live(environment)
    drain()
    failed = finish_deploy(make_deploy(environment), Status.FAILED, "10.0.0.7 said: token hunter2")
    finish_deploy(failed.undone_by)
    drain()
    first, second, back = host.deployments.made
    assert second.states[-1] == "failure"
    assert second.statuses[-1]["description"] == "Deploy 2 failed, 0 of 2 hosts well"
    assert "10.0.0.7" not in str(host.deployments.made)
    assert back.states[-1] == "success"
    assert first.states[-1] == "inactive"


def test_what_was_made_by_an_announcer_that_died_is_found_and_not_made_again(
    host: CodeHost, environment: Environment
) -> None:
    deploy = make_deploy(environment)
    drain()
    Deploy.objects.update(code_host_id=None)  # it died before noting the number
    Message.objects.update(sent_at=None, due_at=deploy.created_at)
    drain()
    (made,) = host.deployments.made
    assert made.states == ["queued", "queued"]


def test_a_late_status_does_not_overwrite_a_newer_one(host: CodeHost, environment: Environment) -> None:
    make_live(environment)
    first, *_, last = Message.objects.filter(channel=Channel.DEPLOYMENT).order_by("pk")
    announcer.deliver(last, deployments.send)
    announcer.deliver(first, deployments.send)
    (made,) = host.deployments.made
    assert made.states == ["success"]


def test_where_two_announcers_meet_the_newest_status_is_told_last(
    host: CodeHost, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_live(environment)
    first, *_, last = Message.objects.filter(channel=Channel.DEPLOYMENT).order_by("pk")
    real, others = deployments.describe, [last]

    def describe(*given: object) -> object:
        while others:  # the other announcer is faster by all of a message
            announcer.deliver(others.pop(), deployments.send)
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(deployments, "describe", describe)
    announcer.deliver(first, deployments.send)
    assert host.deployments.made[0].states[-1] == "success"


def test_a_late_success_is_not_the_active_one(host: CodeHost, environment: Environment) -> None:
    old, new = make_live(environment), make_live(environment)
    told = Message.objects.filter(channel=Channel.DEPLOYMENT, transition__to_status=Status.SUCCEEDED)
    for deploy in (new, old):
        announcer.deliver(told.get(transition__subject_id=deploy.pk), deployments.send)
    assert [made.states[-1] for made in host.deployments.made] == ["success", "inactive"]


def test_a_deploy_that_is_sent_away_before_it_began_is_inactive(host: CodeHost, environment: Environment) -> None:
    requests.cancel(make_deploy(environment), "ada (#1)")
    drain()
    assert host.deployments.made[0].states == ["queued", "inactive"]


def test_a_deploy_that_is_cancelled_half_way_is_an_error(host: CodeHost, environment: Environment) -> None:
    from pipelines.deploys import lifecycle

    lifecycle.finish_deploy(begin_deploy(make_deploy(environment)), Status.CANCELLED, "cancelled by ada (#1)")
    drain()
    assert host.deployments.made[0].states[-1] == "error"


def test_a_repair_changes_nothing_that_the_code_host_shows(host: CodeHost, environment: Environment) -> None:
    live = make_live(environment)
    Message.objects.all().delete()
    make_deploy(environment, live.release, kind=DeployKind.REPAIR)
    assert not Message.objects.filter(channel=Channel.DEPLOYMENT).exists()


def test_a_token_without_the_right_is_named(host: CodeHost, environment: Environment) -> None:
    make_deploy(environment)
    host.deployments.refusals.append(Answer(403, {"message": "Resource not accessible by personal access token"}))
    drain()
    message = Message.objects.get(channel=Channel.DEPLOYMENT)
    assert message.given_up_at is not None
    assert "may write deployments" in message.error
