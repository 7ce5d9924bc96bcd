"""Rules and Slack: who hears of what, one message per run and deploy that is kept up to date, details in its thread."""

import pytest

from pipelines.notifications import lifecycle
from pipelines.notifications.models import Thread
from pipelines.outbox import queue
from pipelines.outbox.models import Channel, Message
from pipelines.projects.models import Project
from pipelines.runs.models import EventKind, Run
from pipelines.runs.reruns import rerun
from pipelines.spec.model import ApprovalSpec
from pipelines.states.status import Status
from server.notifications import announcer, chat, spreading
from server.notifications import slack as slack_door
from tests.factories import (
    begin_deploy,
    finish_deploy,
    finish_run,
    finish_stage,
    make_deploy,
    make_environment,
    make_event,
    make_green_run,
    make_live,
    make_project,
    make_red_run,
    make_run,
    make_spec,
    make_stage_spec,
    plan,
)
from tests.lab.slack import Slack
from tests.lab.stand_in import Answer
from tests.server.notifications.conftest import ADA, drain, drain_one, hear, make_all_due

pytestmark = pytest.mark.django_db


def test_on_change_a_branch_is_told_of_when_it_breaks_and_when_it_is_mended(workspace: Slack, project: Project) -> None:
    hear(project, "slack", "#shop", "run.failed", "run.succeeded")
    for make in (make_green_run, make_red_run, make_red_run, make_green_run, make_green_run):
        make(project)
        drain()
    assert [message.text for message in workspace.roots] == [
        "shop: run 2 failed on main: test: step 1 ended with code 1",
        "shop: main is mended by run 4",
    ]


def test_always_means_every_verdict(workspace: Slack, project: Project) -> None:
    hear(project, "slack", "#shop", "run.failed", "run.succeeded", only_changes=False)
    for make in (make_green_run, make_red_run, make_red_run):
        make(project)
    drain()
    assert len(workspace.roots) == 3


def test_a_verdict_that_a_later_run_has_overtaken_is_no_change(project: Project, workspace: Slack) -> None:
    hear(project, "slack", "#shop", "run.failed")
    make_green_run(project)
    slow = make_run(project)
    make_green_run(project)
    finish_stage(slow, status=Status.FAILED)
    drain()
    assert workspace.roots == []


def test_that_a_branch_broke_is_told_though_the_announcer_was_away_and_an_earlier_run_failed_after_it(
    workspace: Slack, project: Project
) -> None:
    hear(project, "slack", "#shop", "run.failed")
    earlier, later = make_run(project), make_run(project)
    finish_run(later, Status.FAILED)
    finish_run(earlier, Status.FAILED)
    drain()
    (message,) = workspace.roots
    assert f"run {later.number} failed" in message.text


def again(run: Run, verdict: Status) -> Run:
    made = rerun(run, ADA)
    plan(made)
    return finish_run(made, verdict)


def test_a_rerun_of_an_old_commit_neither_breaks_nor_mends_a_branch(workspace: Slack, project: Project) -> None:
    hear(project, "slack", "#shop", "run.failed", "run.succeeded")
    old, newest = make_green_run(project), make_green_run(project)
    again(old, Status.FAILED)
    drain()
    assert workspace.texts == []
    again(newest, Status.FAILED)
    again(old, Status.SUCCEEDED)
    drain()
    (broken,) = workspace.roots
    assert broken.text.startswith("shop: run 4 failed on main")
    again(newest, Status.SUCCEEDED)
    drain()
    assert workspace.roots[-1].text == "shop: main is mended by run 6"
    assert len(workspace.roots) == 2


def test_that_a_branch_breaks_is_told_though_a_rerun_of_an_old_commit_failed_before(
    workspace: Slack, project: Project
) -> None:
    hear(project, "slack", "#shop", "run.failed")
    old = make_green_run(project)
    make_green_run(project)
    again(old, Status.FAILED)
    make_red_run(project)
    drain()
    (broken,) = workspace.roots
    assert broken.text.startswith("shop: run 4 failed on main")


def test_each_hears_in_its_own_place_and_once_however_many_of_its_rules_want_it(
    workspace: Slack, project: Project
) -> None:
    first = hear(project, "slack", "#shop", "run.failed")
    lifecycle.add_rule(first, lifecycle.Wish(["run.failed"], only_changes=False), ADA)
    hear(project, "slack", "#ops", "run.failed")
    hear(make_project("other"), "slack", "#other", "run.failed")
    make_red_run(project)
    drain()
    assert sorted(message.channel for message in workspace.roots) == ["#ops", "#shop"]


def test_who_hears_by_the_project_s_settings_is_not_told_twice(workspace: Slack) -> None:
    project = make_project("shop", chat_channel="#shop")
    hear(project, "slack", "#shop", "run.failed")
    make_red_run(project)
    drain()
    assert len(workspace.roots) == 1


def test_a_failure_s_log_suspects_and_authors_stand_in_its_thread(workspace: Slack, project: Project) -> None:
    hear(project, "slack", "#shop", "run.failed")
    make_green_run(project)
    run = make_red_run(project)
    drain()
    (root,) = workspace.roots
    (reply,) = workspace.thread(root)
    assert "done" in str(reply.blocks)
    assert "Commits since run 1, the last that succeeded" in str(reply.blocks)
    assert f"{run.short_sha} {run.title}, by {run.author}" in str(reply.blocks)
    assert "done" not in str(root.blocks)


def test_a_deploy_is_one_message_that_is_brought_up_to_date(workspace: Slack, project: Project) -> None:
    hear(project, "slack", "#shop")
    environment = make_environment(project)
    make_live(environment)
    deploy = make_deploy(environment, actor="ada (#1)")
    finish_deploy(deploy)
    drain()
    first, second = workspace.roots
    assert second.text == "shop: production runs release 2, on 2 hosts"
    assert second.versions == ("shop: production: deploy 2 of release 2 has begun",)
    assert [reply.text for reply in workspace.thread(second)] == ["production runs release 2, on 2 hosts"]
    assert first.text == "shop: production runs release 1, on 2 hosts"


def test_the_button_after_a_deploy_leads_to_what_can_be_gone_back_to(workspace: Slack, project: Project) -> None:
    hear(project, "slack", "#shop")
    environment = make_environment(project)
    make_live(environment)
    make_live(environment)
    drain()
    buttons = {
        element["text"]["text"]: element["url"]
        for block in workspace.roots[-1].blocks
        if block["type"] == "actions"
        for element in block["elements"]
    }
    assert buttons == {
        "Open deploy 2": "https://slipway.example/projects/shop/deploys/2/",
        "Roll back to release 1": "https://slipway.example/projects/shop/environments/production/#rollback",
    }


def test_a_stage_that_asks_is_told_with_a_button_and_the_verdict_takes_its_place(
    workspace: Slack, project: Project
) -> None:
    hear(project, "slack", "#shop")
    make_run(project, spec=make_spec(make_stage_spec("publish", approval=ApprovalSpec())))
    drain()
    (root,) = workspace.roots
    assert root.text == "shop: run 1 on main waits for approval of publish: one person must agree first"
    assert "https://slipway.example/projects/shop/runs/1/#approval" in str(root.blocks)


def test_a_fork_s_run_that_waits_to_be_let_in_is_told_where_a_rule_names_its_ref(
    workspace: Slack, project: Project
) -> None:
    hear(project, "slack", "#shop", "run.asks", refs="refs/pull/**")
    make_event(project, kind=EventKind.PULL_REQUEST, ref="refs/pull/7/head", fork=True)
    drain()
    (message,) = workspace.roots
    assert message.text.startswith("shop: run 1 on pull/7/head waits for approval of its commit: a fork")


def test_what_is_sent_late_does_not_turn_the_message_back(workspace: Slack, project: Project) -> None:
    hear(project, "slack", "#shop")
    finish_deploy(make_deploy(make_environment(project)))
    drain_one(Channel.RULES)
    begun, ended = Message.objects.filter(channel=Channel.CHAT).order_by("pk")
    announcer.deliver(ended, chat.send)
    announcer.deliver(begun, chat.send)
    (root,) = workspace.roots
    assert root.text == "shop: production runs release 1, on 2 hosts"
    assert [reply.text for reply in workspace.thread(root)][-1] == "production: deploy 1 of release 1 has begun"


def test_a_message_that_was_deleted_in_slack_is_written_anew(workspace: Slack, project: Project) -> None:
    hear(project, "slack", "#shop")
    deploy = make_deploy(make_environment(project))
    begin_deploy(deploy)
    drain()
    workspace.messages.clear()
    Message.objects.filter(channel=Channel.RULES).delete()
    told = Message.objects.get(channel=Channel.CHAT)
    announcer.deliver(told, chat.send)
    assert len(workspace.roots) == 1


def test_killed_between_the_message_and_its_details_the_rest_follows_and_the_message_stays_one(
    workspace: Slack, project: Project
) -> None:
    hear(project, "slack", "#shop", "run.failed")
    make_red_run(project)
    drain_one(Channel.RULES)
    calls: list[str] = []

    class Killed(BaseException):
        """As a kill -9 leaves it: nothing is noted."""

    original = slack_door.post

    def post(channel: str, message: object, name: str, thread_ts: str | None = None) -> object:
        if thread_ts is not None and not calls:
            calls.append("killed")
            raise Killed
        return original(channel, message, name, thread_ts)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slack_door, "post", post)
        with pytest.raises(Killed):
            drain()
    make_all_due()
    drain()
    (root,) = workspace.roots
    assert len(workspace.thread(root)) == 1
    assert root.name.startswith("slipway-")


def test_who_hears_is_found_out_once_though_the_announcer_died_meanwhile(workspace: Slack, project: Project) -> None:
    hear(project, "slack", "#shop", "run.failed")
    make_red_run(project)
    message = Message.objects.get(channel=Channel.RULES)
    spreading.send(message)
    spreading.send(message)
    assert Message.objects.filter(channel=Channel.CHAT).count() == 1


@pytest.mark.parametrize("refusal", [Answer(500), Answer(429, headers=(("Retry-After", "120"),))])
def test_slack_s_passing_troubles_are_tried_again_with_back_off(
    workspace: Slack, project: Project, refusal: Answer
) -> None:
    hear(project, "slack", "#shop", "run.failed")
    make_red_run(project)
    workspace.refusals += [refusal, refusal]
    drain()
    waiting = Message.objects.get(channel=Channel.CHAT)
    assert (waiting.sent_at, waiting.given_up_at, waiting.attempts) == (None, None, 1)
    workspace.refusals.clear()
    make_all_due()
    drain()
    assert len(workspace.roots) == 1


def test_a_recipient_that_was_removed_hears_nothing_and_it_is_said_why(workspace: Slack, project: Project) -> None:
    recipient = hear(project, "slack", "#shop", "run.failed")
    make_red_run(project)
    drain_one(Channel.RULES)
    lifecycle.remove_recipient(recipient, ADA)
    drain()
    message = Message.objects.get(channel=Channel.CHAT)
    assert "was removed" in message.error
    assert not workspace.messages


def test_a_test_message_says_who_sent_it(workspace: Slack, project: Project) -> None:
    recipient = hear(project, "slack", "#shop")
    lifecycle.send_test(recipient, ADA)
    drain()
    (message,) = workspace.roots
    assert message.text == "shop: a test message"
    assert "ada (#1) wants to see" in str(message.blocks)
    assert not Thread.objects.exists()


def test_what_was_sent_is_sent_again_only_when_somebody_asks(workspace: Slack, project: Project) -> None:
    recipient = hear(project, "slack", "#shop")
    lifecycle.send_test(recipient, ADA)
    drain()
    message = Message.objects.get(target=recipient.pk)
    assert queue.again(message)
    assert not queue.again(message)
    drain()
    assert len(workspace.roots) == 2
