"""Inspections: when they are due, what is written of what was found, who is told, and what is put right."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from django.utils import timezone

from pipelines.audit.models import Act
from pipelines.deploys import announcements, inspections, releases
from pipelines.deploys.inspections import NEW, Finding
from pipelines.deploys.models import Deploy, DeployKind, Environment, Host, Inspection
from pipelines.deploys.plans import Listed
from pipelines.deploys.requests import NotDeployable
from pipelines.errors import LostRace
from pipelines.outbox.models import Channel, Message, Notice
from pipelines.states.status import Status
from tests.factories import begin_deploy, finish_deploy, make_deploy, make_environment, make_live, make_project

pytestmark = pytest.mark.django_db

TOUCHED = Finding("web-1", drift=[{"what": "file", "detail": "app.py was changed or removed"}], healthy=True)
FINE = (Finding("web-1", healthy=True), Finding("web-2", healthy=True))
APPEARED = Finding("web-9", drift=[{"what": NEW, "detail": "nothing was ever deployed to it"}])


@pytest.fixture
def environment() -> Environment:
    place = make_environment(make_project(chat_channel="#shop"), mail_to="ops@example.org")
    make_live(place)
    Message.objects.all().delete()
    return place


def begin(environment: Environment) -> Inspection:
    Inspection.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    (due,) = inspections.due()
    return inspections.claim(due)


def inspect(environment: Environment, *findings: Finding, listed: Sequence[str] = ("web-1", "web-2")) -> Deploy | None:
    hosts = [Listed(name, f"127.0.9.{place}") for place, name in enumerate(listed, 1)]
    return inspections.conclude(begin(environment), hosts, findings)


def news() -> list[dict[str, object]]:
    """What the notices tell, oldest first."""
    kinds = ("drifted", "ill", "unreachable", "mended", "follows")
    rows = Notice.objects.filter(topic=announcements.INSPECTED).order_by("pk")
    return [{kind: row.facts[kind] for kind in kinds if row.facts.get(kind)} for row in rows]


def stored(name: str) -> Host:
    return Host.objects.get(name=name)


def test_an_environment_where_something_is_live_is_inspected_every_so_often(environment: Environment) -> None:
    make_environment(make_project(), hosts=("web-1",))  # nothing is live there
    inspection = begin(environment)
    assert inspections.due() == []
    inspections.conclude(inspection, [Listed("web-1", "127.0.9.1"), Listed("web-2", "127.0.9.2")], FINE)
    assert inspections.due() == []
    inspection.refresh_from_db()
    wait = inspection.due_at - timezone.now()
    assert timedelta(seconds=200) < wait < timedelta(seconds=310)


def test_zero_seconds_mean_never(environment: Environment) -> None:
    Environment.objects.update(inspect_seconds=0)
    assert inspections.due() == []


def test_of_two_who_would_inspect_one_does(environment: Environment) -> None:
    inspection = begin(environment)
    with pytest.raises(LostRace):
        inspections.claim(inspection.pk)


def test_of_each_project_one_inspection_is_made_at_a_time(environment: Environment) -> None:
    make_live(make_environment(environment.project, "staging"))
    other = make_live(make_environment(make_project())).environment
    rows = {row.pk: row for row in Inspection.objects.filter(pk__in=inspections.due(5)).select_related("environment")}
    assert {row.environment.project_id for row in rows.values()} == {environment.project_id, other.project_id}
    assert len(rows) == 2
    mine = next(row for row in rows.values() if row.environment.project_id == environment.project_id)
    inspections.claim(mine.pk)
    assert [rows[due].environment for due in inspections.due(5)] == [other]


def test_no_more_inspections_than_workers_can_spare_leave_them_to_others(environment: Environment) -> None:
    make_live(make_environment(make_project()))
    begin_one = inspections.due()
    assert len(begin_one) == 1
    inspections.claim(begin_one[0])
    assert inspections.due() == []


def test_an_inspection_whose_worker_died_is_due_again(environment: Environment) -> None:
    dead = begin(environment)
    again = begin(environment)
    assert again.fence == dead.fence + 1
    with pytest.raises(LostRace):
        inspections.renew(dead)


def test_nothing_is_inspected_while_a_deploy_has_begun(environment: Environment) -> None:
    begin_deploy(make_deploy(environment))
    assert inspections.due() == []


def test_what_was_read_before_a_deploy_began_is_not_written(environment: Environment) -> None:
    inspection = begin(environment)
    finish_deploy(make_deploy(environment))
    with pytest.raises(LostRace):
        inspections.conclude(inspection, [Listed("web-1", "127.0.9.1")], [TOUCHED])
    assert stored("web-1").drift == []


def test_drift_is_written_and_told_once_with_host_and_file(environment: Environment) -> None:
    inspect(environment, TOUCHED)
    inspect(environment, TOUCHED)
    host = stored("web-1")
    assert host.drift == [{"what": "file", "detail": "app.py was changed or removed"}]
    assert host.inspected_at is not None
    assert news() == [{"drifted": [["web-1", "app.py was changed or removed"]]}]
    assert set(Message.objects.values_list("channel", flat=True)) == {Channel.CHAT, Channel.MAIL}


def test_drift_that_is_gone_without_a_deploy_is_told_and_that_a_deploy_mended_is_not(environment: Environment) -> None:
    inspect(environment, TOUCHED)
    inspect(environment, *FINE)
    assert news()[-1] == {"mended": [["web-1", "as the record says"]]}
    inspect(environment, TOUCHED)
    finish_deploy(make_deploy(environment, environment.current))
    environment.refresh_from_db()
    inspect(environment, *FINE)
    assert len(news()) == 3


def test_an_unreachable_host_is_said_as_such_once_and_not_as_drift(environment: Environment) -> None:
    gone = Finding("web-2", why="no connection: timed out")
    inspect(environment, gone)
    inspect(environment, gone)
    assert (stored("web-2").drift, stored("web-2").healthy) == ([], None)
    assert stored("web-2").health_detail == "no connection: timed out"
    inspect(environment, *FINE)
    assert news() == [
        {"unreachable": [["web-2", "no connection: timed out"]]},
        {"mended": [["web-2", "answers again"]]},
    ]


def test_a_host_that_falls_ill_and_recovers_is_told_of(environment: Environment) -> None:
    inspect(environment, Finding("web-1", healthy=False, health_detail="502"))
    inspect(environment, Finding("web-1", healthy=False, health_detail="502"))
    inspect(environment, Finding("web-1", healthy=True, answer_ms=12, health_detail="200 ok"))
    assert news() == [{"ill": [["web-1", "502"]]}, {"mended": [["web-1", "healthy"]]}]
    assert (stored("web-1").answer_ms, stored("web-1").health_detail) == (12, "200 ok")


def test_facts_that_others_wrote_are_kept(environment: Environment) -> None:
    Host.objects.filter(name="web-1").update(facts={"container": "shop-1", "port": 20007})
    inspect(environment, Finding("web-1", facts={"kernel": "6.1"}))
    assert stored("web-1").facts == {"container": "shop-1", "port": 20007, "kernel": "6.1"}


def test_a_newcomer_is_brought_to_the_live_release_once(environment: Environment) -> None:
    listed = ("web-1", "web-2", "web-9")
    repair = inspect(environment, *FINE, APPEARED, listed=listed)
    assert repair is not None
    assert (repair.kind, repair.only, repair.release) == (DeployKind.REPAIR, ["web-9"], environment.current)
    assert (repair.why, repair.automatic, repair.asked_by) == ("web-9 appeared", False, "")
    assert inspect(environment, *FINE, APPEARED, listed=listed) is None
    assert Act.objects.filter(verb="asked to repair hosts").count() == 1
    assert news() == []  # the deploy itself is told of when it has ended


def test_a_newcomer_whose_repair_failed_is_tried_again_after_an_hour(environment: Environment) -> None:
    listed = ("web-1", "web-2", "web-9")
    first = inspect(environment, APPEARED, listed=listed)
    assert first is not None
    from pipelines.deploys import requests

    requests.cancel(first, "ada (#1)")
    assert inspect(environment, APPEARED, listed=listed) is None
    Deploy.objects.filter(pk=first.pk).update(created_at=timezone.now() - timedelta(minutes=61))
    assert inspect(environment, APPEARED, listed=listed) is not None


def test_where_newcomers_are_not_adopted_they_are_told_of(environment: Environment) -> None:
    Environment.objects.update(adopts=False)
    assert inspect(environment, APPEARED, listed=("web-1", "web-2", "web-9")) is None
    assert news() == [{"drifted": [["web-9", "nothing was ever deployed to it"]]}]


def test_drift_is_put_right_by_itself_where_the_environment_says_so(environment: Environment) -> None:
    Environment.objects.update(repairs=True)
    repair = inspect(environment, TOUCHED)
    assert repair is not None
    assert repair.only == ["web-1"]
    assert repair.configuration == environment.deploys.filter(status=Status.SUCCEEDED)[0].configuration
    assert news()[0]["follows"] == f"deploy {repair.number} puts web-1 right"


def test_a_quarantined_release_is_not_brought_anywhere_by_itself(environment: Environment) -> None:
    Environment.objects.update(repairs=True)
    assert environment.current is not None
    releases.quarantine(environment.current, "it loses orders")
    assert inspect(environment, TOUCHED) is None


def test_a_person_puts_hosts_right_and_a_second_click_is_the_same_deploy(environment: Environment) -> None:
    inspect(environment, TOUCHED)
    first = inspections.repair(environment, ["web-1"], "ada (#1)")
    assert inspections.repair(environment, ["web-1"], "ada (#1)") == first
    assert (first.kind, first.asked_by) == (DeployKind.REPAIR, "ada (#1)")
    with pytest.raises(NotDeployable):
        inspections.repair(environment, ["nobody"], "ada (#1)")


def test_a_listing_that_failed_changes_nothing(environment: Environment) -> None:
    inspections.fail(begin(environment), "the cloud did not answer")
    assert Host.objects.filter(gone_at=None).count() == 2
    assert Inspection.objects.get().error == "the cloud did not answer"


def test_few_hosts_that_vanish_are_gone_and_many_are_left_to_a_person(environment: Environment) -> None:
    inspect(environment, listed=("web-1",))  # half of them
    assert stored("web-2").gone_at is None
    Environment.objects.update(max_drop=50)
    inspect(environment, listed=("web-1",))
    assert stored("web-2").gone_at is not None
