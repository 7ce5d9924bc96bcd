"""Whole inspections of real hosts: what is touched by hand is named, and put right."""

import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from pipelines.deploys import announcements, inspections
from pipelines.deploys.models import Deploy, DeployKind, Environment, EnvironmentSecret, Host, HostKeyPolicy, Inspection
from pipelines.errors import LostRace
from pipelines.outbox.models import Channel, Message, Notice
from pipelines.states.status import Status
from runners.hosts import inspection as story
from runners.queue import jobs
from tests import factories
from tests.lab.sshd import Sshd
from tests.runners.hosts.sites import bring, current, make_environment, make_release, on, perform

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def live(hosts: list[Sshd]) -> Environment:
    """All three hosts on a release that keeps a list of its files, and people who hear of it."""
    project = factories.make_project(factories.unique("shop"), chat_channel="#shop")
    environment = make_environment(hosts, project=project, mail_to="ops@example.org")
    EnvironmentSecret.objects.create(environment=environment, name="TOKEN", value="s3cret-value-1")
    factories.configure(environment, {"GREETING": "hello"})
    deploy = bring(environment, make_release(environment))
    assert deploy.status == Status.SUCCEEDED, deploy.reason
    Message.objects.all().delete()
    environment.refresh_from_db()
    return environment


def inspect(environment: Environment) -> None:
    """As a control worker does it when it is rung for."""
    inspections.due()
    Inspection.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    jobs.inspect(Inspection.objects.get(environment=environment).pk)
    assert Inspection.objects.get(environment=environment).ended_at is not None


def drift(name: str) -> list[tuple[str, str]]:
    return [(one["what"], one["detail"]) for one in Host.objects.get(name=name).drift]


def told() -> list[dict[str, Any]]:
    return [row.facts for row in Notice.objects.filter(topic=announcements.INSPECTED).order_by("pk")]


def test_hosts_as_a_deploy_left_them_are_in_order_and_say_what_they_are(live: Environment) -> None:
    inspect(live)
    for host in live.hosts.all():
        assert (host.drift, host.healthy) == ([], True)
        assert host.facts["kernel"]
        assert host.answer_ms is not None
    assert told() == []


def test_a_touched_file_is_named_with_its_host_in_chat_and_mail(live: Environment, hosts: list[Sshd]) -> None:
    (hosts[1].root / "shop/current/app").write_text("edited over SSH\n")
    inspect(live)
    inspect(live)
    assert (drift("web-1"), drift("web-2"), drift("web-3")) == ([], [("file", "app was changed or removed")], [])
    (facts,) = told()
    assert facts["drifted"] == [["web-2", "app was changed or removed"]]
    assert facts["mail_to"] == ["ops@example.org"]
    assert set(Message.objects.values_list("channel", flat=True)) == {Channel.CHAT, Channel.MAIL}


def test_an_edited_configuration_a_moved_link_and_a_lost_marker_are_named(live: Environment, hosts: list[Sshd]) -> None:
    (hosts[0].root / "shop/current/.env").write_text("GREETING=bye\n")
    (hosts[1].root / "shop/current").unlink()
    (hosts[1].root / "shop/current").symlink_to("releases/77")
    (hosts[2].root / "shop/.slipway-release").unlink()
    inspect(live)
    assert drift("web-1") == [("configuration", "the configuration file .env is not what was deployed")]
    assert ("release", "`current` leads to release 77; the record says 1") in drift("web-2")
    assert drift("web-3") == [("marker", "the marker .slipway-release is missing or cannot be read")]


def test_a_secret_that_was_changed_since_is_no_drift(live: Environment) -> None:
    secret = live.secrets.get()
    secret.value = "s3cret-value-2"
    secret.save()
    inspect(live)
    assert drift("web-1") == []


def test_a_host_out_of_reach_is_said_as_such_and_keeps_nobody(live: Environment, hosts: list[Sshd]) -> None:
    (hosts[0].root / "shop/current/app").write_text("edited\n")
    hosts[2].stop()
    began = time.monotonic()
    inspect(live)
    assert time.monotonic() - began < 120
    assert drift("web-1") == [("file", "app was changed or removed")]
    lost = Host.objects.get(name="web-3")
    assert (lost.drift, lost.healthy) == ([], None)
    assert "no connection" in lost.health_detail
    assert [name for name, _ in told()[0]["unreachable"]] == ["web-3"]


def test_a_host_that_is_ill_is_told_of_with_what_it_said(live: Environment, hosts: list[Sshd]) -> None:
    (hosts[0].root / "shop/current/app").unlink()  # which its health command looks for
    inspect(live)
    assert Host.objects.get(name="web-1").healthy is False
    assert [name for name, _ in told()[0]["ill"]] == ["web-1"]


def test_drift_is_put_right_by_itself_where_it_is_wanted(live: Environment, hosts: list[Sshd]) -> None:
    Environment.objects.update(repairs=True)
    (hosts[1].root / "shop/current/app").write_text("edited\n")
    inspect(live)
    repair = Deploy.objects.get(kind=DeployKind.REPAIR)
    assert repair.only == ["web-2"]
    perform(repair)
    assert repair.status == Status.SUCCEEDED, repair.reason
    assert current(hosts[1]) == "release 1"
    assert on(hosts[0], "activations") == "1\n"
    inspect(live)
    assert drift("web-2") == []
    assert len(told()) == 1


def test_a_host_that_appears_is_brought_to_the_live_release_by_itself(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts[:2], host_key_policy=HostKeyPolicy.FIRST_USE)
    bring(environment, make_release(environment))
    grown = [{"name": f"web-{number}", "address": one.address.host} for number, one in enumerate(hosts, 1)]
    Environment.objects.filter(pk=environment.pk).update(inventory={"hosts": grown})
    inspect(environment)
    repair = Deploy.objects.get(kind=DeployKind.REPAIR)
    assert (repair.only, repair.why) == (["web-3"], "web-3 appeared")
    perform(repair)
    assert repair.status == Status.SUCCEEDED, repair.reason
    assert current(hosts[2]) == "release 1"
    inspect(environment)
    assert not Deploy.objects.filter(kind=DeployKind.REPAIR).exclude(pk=repair.pk).exists()
    assert drift("web-3") == []


def test_an_inventory_that_cannot_be_asked_changes_nothing(live: Environment) -> None:
    Environment.objects.update(inventory={"hosts": []})
    inspect(live)
    assert live.hosts.filter(gone_at=None).count() == 3
    assert "lists no running host" in Inspection.objects.get().error


def test_what_was_read_before_a_deploy_began_is_thrown_away(
    live: Environment, hosts: list[Sshd], monkeypatch: pytest.MonkeyPatch
) -> None:
    (hosts[0].root / "shop/current/app").write_text("edited\n")
    inspections.due()
    claimed = inspections.claim(Inspection.objects.get().pk)
    real = story._findings

    def findings(*given: Any) -> Any:
        found = real(*given)
        factories.begin_deploy(factories.make_deploy(live))
        return found

    monkeypatch.setattr(story, "_findings", findings)
    with pytest.raises(LostRace):
        story.inspect(claimed)
    assert drift("web-1") == []


def test_secrets_of_the_environment_are_not_told(live: Environment, hosts: list[Sshd]) -> None:
    release = make_release(live, health={"command": "echo s3cret-value-1; exit 1", "timeout_seconds": 1})
    Environment.objects.filter(pk=live.pk).update(current=release)
    Host.objects.update(release=release)
    inspect(live)
    assert "s3cret-value-1" not in str(told())
    assert "s3cret-value-1" not in str(list(Host.objects.values_list("health_detail")))
