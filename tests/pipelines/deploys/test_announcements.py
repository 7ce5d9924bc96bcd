"""Who hears of what becomes of a deploy, and that nobody hears it twice."""

import pytest
from django.db import transaction

from pipelines.deploys import alarms, announcements
from pipelines.deploys.models import Alarm, AlarmAction, AlarmKind, Deploy, DeployKind, Environment, Waits
from pipelines.outbox.models import Channel, Message, Notice
from pipelines.states.status import Status
from pipelines.states.transitions import transition as move
from tests.factories import finish_deploy, make_deploy, make_environment, make_live, make_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def environment() -> Environment:
    return make_environment(make_project(chat_channel="#shop"), mail_to="ops@example.org,\nalice@example.org; nonsense")


def topics(deploy: Deploy, channel: Channel = Channel.CHAT) -> list[str]:
    told = Message.objects.filter(channel=channel, transition__subject_kind="deploy", transition__subject_id=deploy.pk)
    return list(told.order_by("pk").values_list("topic", flat=True))


def block(deploy: Deploy, waits_for: Waits, reason: str) -> None:
    with transaction.atomic():
        move(deploy, Status.BLOCKED, reason=reason, waits_for=waits_for)


def let_go(deploy: Deploy) -> None:
    with transaction.atomic():
        move(deploy, Status.QUEUED, waits_for="")


def test_a_deploy_that_goes_well_is_one_message_on_each_channel(environment: Environment) -> None:
    deploy = make_live(environment)
    assert topics(deploy) == [announcements.ENDED]
    assert topics(deploy, Channel.MAIL) == [announcements.ENDED]


def test_a_failure_and_its_automatic_rollback_are_both_told(environment: Environment) -> None:
    make_live(environment)
    failed = finish_deploy(make_deploy(environment), Status.FAILED)
    back = finish_deploy(failed.undone_by)
    assert (topics(failed), topics(back)) == ([announcements.ENDED], [announcements.ENDED])


@pytest.mark.parametrize("waits_for", [Waits.APPROVAL, Waits.HOSTS, Waits.BREACH])
def test_who_is_asked_is_told_once_however_often_the_queue_is_looked_at(
    environment: Environment, waits_for: Waits
) -> None:
    deploy = make_deploy(environment)
    for _ in range(3):
        block(deploy, waits_for, "2 must agree")
        let_go(deploy)
    assert topics(deploy) == [f"asked:{waits_for}"]
    block(deploy, waits_for, "its hosts are others than were agreed to")
    assert len(topics(deploy)) == 2


@pytest.mark.parametrize("waits_for", [Waits.LOCK, Waits.FREEZE, Waits.PAUSED, Waits.BAKE, Waits.WATCH])
def test_what_ends_by_itself_calls_nobody(environment: Environment, waits_for: Waits) -> None:
    deploy = make_deploy(environment)
    block(deploy, waits_for, "for a while")
    assert topics(deploy) == []


def test_one_that_was_blocked_already_and_now_asks_is_told_once(environment: Environment) -> None:
    deploy = make_deploy(environment)
    block(deploy, Waits.FREEZE, "frozen until monday")
    deploy.waits_for = Waits.APPROVAL
    announcements.asks(deploy)
    announcements.asks(deploy)
    assert topics(deploy) == ["asked:approval"]


def test_an_override_is_told_when_it_is_asked_for(environment: Environment) -> None:
    deploy = make_deploy(environment, override="the shop is down")
    assert topics(deploy) == [announcements.OVERRIDDEN]


def test_one_that_is_sent_away_before_it_began_is_no_news(environment: Environment) -> None:
    from pipelines.deploys import requests

    deploy = make_deploy(environment)
    requests.cancel(deploy, "ada (#1)")
    assert topics(deploy) == []


def test_the_code_host_hears_each_step_where_it_can_be_told() -> None:
    silent = make_environment(make_project(code_host_name="acme/shop"))
    make_live(silent)
    assert not Message.objects.filter(channel=Channel.DEPLOYMENT).exists()
    told = make_environment(make_project(code_host_name="acme/shop", code_host_token="t"))
    make_live(told)
    steps = Message.objects.filter(channel=Channel.DEPLOYMENT).values_list("transition__to_status", flat=True)
    assert list(steps.order_by("pk")) == ["queued", "running", "succeeded"]


def test_a_message_is_gone_when_what_it_tells_of_never_happened(environment: Environment) -> None:
    deploy = make_deploy(environment)

    def block_in_vain() -> None:
        with transaction.atomic():
            block(deploy, Waits.APPROVAL, "2 must agree")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        block_in_vain()
    assert not Message.objects.exists()


def test_addresses_are_read_from_lists_as_people_write_them(environment: Environment) -> None:
    assert announcements.addresses(environment.mail_to) == ["ops@example.org", "alice@example.org"]


@pytest.mark.parametrize(
    ("action", "heard"),
    [
        (AlarmAction.UNDO, {(Channel.MAIL, ("sre@example.org",))}),  # the others hear of the deploy that is undone
        (AlarmAction.TELL, {(Channel.CHAT, ()), (Channel.MAIL, ("sre@example.org", "ops@example.org"))}),
    ],
)
def test_an_alarm_is_told_to_whom_it_names_and_no_event_twice(
    environment: Environment, action: AlarmAction, heard: set[tuple[str, tuple[str, ...]]]
) -> None:
    deploy = make_live(environment)
    Message.objects.all().delete()
    alarm = Alarm.objects.create(
        environment=environment, name="checkout", cause="nobody can pay", kind=AlarmKind.URL, settings={"url": "x"},
        alert="chat, sre@example.org, ops@example.org", action=action,
    )  # fmt: skip
    alarms.tell(deploy, alarm, "it answered 503")
    facts = Notice.objects.get().facts
    assert (facts["cause"], facts["found"]) == ("nobody can pay", "it answered 503")
    channels = set(Message.objects.values_list("channel", flat=True))
    assert channels == {channel for channel, _ in heard}
    assert tuple(facts["mail_to"]) == next(to for channel, to in heard if channel == Channel.MAIL)


def test_a_repair_is_told_when_it_has_ended(environment: Environment) -> None:
    live = make_live(environment)
    repair = make_deploy(environment, live.release, kind=DeployKind.REPAIR, only=["web-1"])
    assert topics(repair) == []
