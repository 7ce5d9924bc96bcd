"""Rules and recipients: written down, audited, and what transitions leave for them in the outbox."""

from datetime import date

import pytest
from django.db import connection

from pipelines.audit.models import Act
from pipelines.errors import UserError
from pipelines.notifications import digests, lifecycle
from pipelines.notifications.lifecycle import Wish
from pipelines.notifications.models import Recipient, Rule
from pipelines.outbox.models import Channel, Message
from pipelines.projects.models import Project
from pipelines.states.status import Status
from tests.factories import finish_deploy, make_deploy, make_environment, make_green_run, make_project, make_red_run
from tests.rivals import race

pytestmark = pytest.mark.django_db
ADA = "ada (#1)"


@pytest.fixture
def project() -> Project:
    return make_project("shop")


def hook(project: Project) -> Recipient:
    return lifecycle.add_recipient(project, "webhook", "https://example.org/in/t0ken", "", ADA)


def topics(channel: Channel = Channel.RULES) -> list[str]:
    return list(Message.objects.filter(channel=channel).order_by("pk").values_list("topic", flat=True))


def test_an_address_is_encrypted_and_the_audit_does_not_hold_it(project: Project) -> None:
    made = hook(project)
    with connection.cursor() as cursor:
        cursor.execute("select address, signing_secret from notifications_recipient")
        (stored,) = cursor.fetchall()
    assert "t0ken" not in stored[0]
    assert made.signing_secret not in stored[1]
    (act,) = Act.objects.filter(verb="added")
    assert "t0ken" not in f"{act.subject} {act.facts}"
    assert act.subject == "recipient https://example.org/… of shop"


def test_the_same_address_is_written_down_once(project: Project) -> None:
    hook(project)
    with pytest.raises(UserError, match="is there already"):
        hook(project)
    hook(make_project("other"))


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (Wish([]), "what is to be heard"),
        (Wish(["nonsense"]), "what is to be heard"),
        (Wish(["digest", "alarm"]), "rule of its own"),
        (Wish(["digest"], digest_at="noon"), "09:00"),
        (Wish(["digest"], digest_at="09:00", time_zone="Mars/Olympus"), "Mars"),
        (Wish(["run.failed"], refs="a " * 21), "at most 20"),
    ],
)
def test_a_rule_that_says_nothing_is_refused(project: Project, wish: Wish, said: str) -> None:
    with pytest.raises(UserError, match=said):
        lifecycle.add_rule(hook(project), wish, ADA)


def test_a_second_digest_that_would_never_come_is_refused_and_the_first_can_be_changed(project: Project) -> None:
    recipient = hook(project)
    first = lifecycle.add_rule(recipient, Wish(["digest"], digest_at="09:00"), ADA)
    with pytest.raises(UserError, match="has a digest already"):
        lifecycle.add_rule(recipient, Wish(["digest"], digest_at="17:00"), ADA)
    lifecycle.change_rule(first, recipient, Wish(["digest"], digest_at="17:00"), ADA)


def test_without_rules_nothing_is_left_for_them(project: Project) -> None:
    hook(project)
    make_red_run(project)
    finish_deploy(make_deploy(make_environment(project)))
    assert topics() == []


def test_with_a_rule_each_verdict_and_each_turn_of_a_deploy_is_left_for_the_announcer(project: Project) -> None:
    lifecycle.add_rule(hook(project), Wish(["digest"], digest_at="09:00"), ADA)
    make_red_run(project)
    make_green_run(project)
    finish_deploy(make_deploy(make_environment(project)), Status.FAILED)
    told = [topic for topic in topics() if topic != "run.succeeded"]
    assert told[0] == "run.failed"
    assert told[1:3] == ["begun", "ended"]


def test_changes_are_acts_of_the_audit(project: Project) -> None:
    recipient = hook(project)
    rule = lifecycle.add_rule(recipient, Wish(["alarm"]), ADA)
    lifecycle.change_rule(rule, recipient, Wish(["drift"]), ADA)
    lifecycle.send_test(recipient, ADA)
    lifecycle.renew_secret(recipient, ADA)
    lifecycle.remove_rule(rule, ADA)
    lifecycle.remove_recipient(recipient, ADA)
    verbs = list(Act.objects.order_by("pk").values_list("verb", flat=True))
    assert verbs == ["added", "added", "changed", "tested", "renewed", "removed", "removed"]
    assert not Rule.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_several_announcers_one_puts_the_digest_of_a_day(project: Project) -> None:
    rule = lifecycle.add_rule(hook(project), Wish(["digest"], digest_at="09:00"), ADA)
    put = race(4, lambda _: digests.put(rule, date(2026, 3, 10), {}))
    assert sorted(bool(one) for one in put) == [False, False, False, True]
    assert topics(Channel.WEBHOOK) == ["digest"]
