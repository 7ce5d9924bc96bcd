"""The outbox, drained to a mail server over SMTP."""

import pytest
from pytest_django import Settings

from pipelines.deploys import announcements, locks
from pipelines.outbox.models import Channel, Message
from pipelines.projects.models import Project
from pipelines.states.status import Status
from server.notifications import announcer, letters, mail
from server.notifications.words import Detail, Words
from tests.factories import (
    finish_deploy,
    make_deploy,
    make_environment,
    make_green_run,
    make_live,
    make_red_run,
)
from tests.lab.mailbox import Mailbox
from tests.server.notifications.conftest import drain as drain_all
from tests.server.notifications.conftest import drain_one, hear, make_all_due

pytestmark = pytest.mark.django_db


def drain() -> int:
    return drain_one(Channel.MAIL)


def test_a_failed_deploy_is_mailed_with_cause_host_author_link_and_what_follows(box: Mailbox, project: Project) -> None:
    environment = make_environment(project, mail_to="ops@example.org, alice@example.org")
    make_live(environment)
    drain()
    finish_deploy(make_deploy(environment, actor="ada (#1)"), Status.FAILED)
    drain()
    letter = box.letters[-1]
    assert letter.to == ("ops@example.org", "alice@example.org")
    assert letter.subject == "shop: production: deploy 2 of release 2 failed: web-1: health check said 500"
    for part in (
        "  web-1: health check said 500",
        "by Ada Example",
        "asked for by ada (#1)",
        "replaces release 1",
        "deploy 3 brings release 1 back",
        "https://slipway.example/projects/shop/deploys/2/",
    ):
        assert part in letter.text


def test_an_environment_without_addresses_is_not_mailed_about(box: Mailbox) -> None:
    make_live(make_environment())
    assert drain() == 0


def test_a_letter_that_is_sent_again_bears_the_name_of_the_first(box: Mailbox) -> None:
    make_live(make_environment(mail_to="ops@example.org"))
    message = Message.objects.get(channel=Channel.MAIL)
    announcer.deliver(message, mail.send)
    announcer.deliver(message, mail.send)
    first, second = box.letters
    assert first.message["Message-ID"] == second.message["Message-ID"]


def test_a_passing_refusal_is_tried_again_and_one_that_stays_is_not(box: Mailbox) -> None:
    environment = make_environment(mail_to="ops@example.org")
    make_live(environment)
    make_live(environment)
    box.refusals += ["451 try again later", "554 no"]
    drain()
    passing, staying = Message.objects.filter(channel=Channel.MAIL).order_by("pk")
    assert passing.given_up_at is None
    assert "451" in passing.error
    assert staying.given_up_at is not None


def test_without_a_mail_server_the_message_says_what_to_set(settings: Settings) -> None:
    settings.SLIPWAY_MAIL_URL = ""
    make_live(make_environment(mail_to="ops@example.org"))
    drain()
    assert "SLIPWAY_MAIL_URL" in Message.objects.get().error


def test_somebody_elses_text_makes_no_header_of_its_own() -> None:
    hostile = Words("shop\r\nBcc: eve@example.org", "web-1\n\nclick here")
    assert "\n" not in letters.subject(hostile)
    assert "\n" not in letters.text(hostile).splitlines()[0]


def test_who_releases_somebody_else_s_lock_is_mailed_about_with_both_reasons(box: Mailbox, project: Project) -> None:
    environment = make_environment(project, mail_to="ops@example.org")
    lock = locks.take(environment, None, "ada (#1)", "we count the stock")
    locks.release(lock, "bob (#2)", "it is counted")
    drain()
    (letter,) = box.letters
    assert letter.subject == "shop: production: bob (#2) released the lock of ada (#1): it is counted"
    assert "It was there because: we count the stock" in letter.text
    assert "/projects/shop/environments/production/" in letter.text


def test_an_alarm_mails_those_whom_it_names(box: Mailbox, project: Project) -> None:
    environment = make_environment(project)
    facts = {"name": "checkout", "cause": "the payment service refuses", "found": "answered 503", "action": "tell"}
    announcements.notify(
        environment, announcements.ALARM, {**facts, "release": 42, "deploy": 7}, to=["sre@example.org"]
    )
    drain()
    (letter,) = box.letters
    assert letter.to == ("sre@example.org",)
    assert letter.subject == "shop: production: alarm checkout went off after release 42: answered 503"
    assert "Cause: the payment service refuses" in letter.text


def test_a_letter_has_a_text_and_the_same_in_html_without_anything_from_elsewhere(
    box: Mailbox, project: Project
) -> None:
    hear(project, "mail", "ada@example.org, bob@example.org", "run.failed")
    make_green_run(project)
    make_red_run(project, title="<img src=https://evil.example/x.png>")
    drain_all()
    (letter,) = box.letters
    assert letter.to == ("ada@example.org", "bob@example.org")
    assert letter.message.get_content_type() == "multipart/alternative"
    for part in (letter.text, letter.html):
        for said in (
            "run 2 failed on main",
            "done",
            "Commits since run 1",
            "https://slipway.example/projects/shop/runs/2/",
        ):
            assert said in part
    assert "<img" not in letter.html
    assert "&lt;img" in letter.html
    assert "src=" not in letter.html.replace("&lt;img src=", "")


def test_a_letter_s_log_keeps_its_lines(box: Mailbox) -> None:
    words = Words("x", details=(Detail("The last lines of test", (), "one\n  two <b>"),))
    assert "  | one\n  |   two <b>" in letters.text(words)
    assert "one\n  two &lt;b&gt;</pre>" in letters.html(words)


def test_who_reads_by_the_environment_s_settings_is_not_mailed_twice(box: Mailbox, project: Project) -> None:
    hear(project, "mail", "ops@example.org", "deploy.succeeded")
    make_live(make_environment(project, mail_to="ops@example.org"))
    drain_all()
    assert len(box.letters) == 1


def test_a_mail_server_that_says_later_is_asked_again(box: Mailbox, project: Project) -> None:
    hear(project, "mail", "ops@example.org", "run.failed")
    make_red_run(project)
    box.refusals.append("421 too busy")
    drain_all()
    assert box.letters == []
    make_all_due()
    drain_all()
    assert len(box.letters) == 1


def told(box: Mailbox) -> list[str]:
    return [address for letter in box.letters for address in letter.to]


def test_where_lists_overlap_everybody_is_mailed_once(box: Mailbox, project: Project) -> None:
    hear(project, "mail", "Ada@example.org, bob@example.org", "deploy.succeeded")
    hear(project, "mail", "ada@example.org, eve@example.org, ops@example.org", "deploy.succeeded")
    hear(project, "mail", "bob@example.org, eve@example.org", "deploy.succeeded")
    make_live(make_environment(project, mail_to="ops@example.org"))
    drain_all()
    assert sorted(told(box)) == ["Ada@example.org", "bob@example.org", "eve@example.org", "ops@example.org"]
    assert not Message.objects.filter(channel=Channel.MAIL, sent_at=None).exists()


def test_who_is_in_a_list_that_was_given_up_is_mailed_by_the_other(box: Mailbox, project: Project) -> None:
    hear(project, "mail", "ada@example.org, bob@example.org", "run.failed")
    hear(project, "mail", "ada@example.org, eve@example.org", "run.failed")
    make_red_run(project)
    box.refusals.append("554 no")
    drain_all()
    assert told(box) == ["ada@example.org", "eve@example.org"]


def test_a_list_that_comes_late_leaves_out_whom_the_other_has_told(box: Mailbox, project: Project) -> None:
    hear(project, "mail", "ada@example.org, bob@example.org", "run.failed")
    hear(project, "mail", "ada@example.org, eve@example.org", "run.failed")
    make_red_run(project)
    drain_one(Channel.RULES)
    first, second = Message.objects.filter(channel=Channel.MAIL).order_by("pk")
    announcer.deliver(second, mail.send)
    announcer.deliver(first, mail.send)
    assert [letter.to for letter in box.letters] == [("eve@example.org",), ("ada@example.org", "bob@example.org")]
