"""The words for a chat channel."""

import json
from dataclasses import replace

import pytest

from server.notifications import words
from server.notifications.messages import ChatMessage, chat, escape, step, tail_of, whole
from server.notifications.run_words import Suspect, ToldRun, asking_run
from server.notifications.run_words import ended_run as run_words
from server.notifications.words import AskingDeploy, Button, Cause, EndedDeploy, InspectedHosts

RUN = ToldRun(
    project="shop",
    number=12,
    status="failed",
    ref="refs/heads/main",
    ref_name="main",
    sha="4be1f09aa",
    title="Reserve the last lamp once",
    author="Ada Example",
    reason="test: step 2 ended with code 1",
    url="https://slipway.example/projects/shop/runs/12/",
    causes=(Cause("test", "step 2 ended with code 1"),),
    tail="E  assert -1 == 0",
    suspects=(Suspect("4be1f09aa", "Reserve the last lamp once", "ada"), Suspect("77aa000", "Count twice", "bob")),
    green=11,
)
DEPLOY = EndedDeploy(
    project="shop",
    environment="production",
    number=7,
    status="failed",
    is_rollback=False,
    release=42,
    short_sha="4be1f09",
    title="Reserve the last lamp once",
    asked_by="ada (#1)",
    why="",
    reason="1 host failed, 0 may",
    hosts=3,
    bad_hosts=(Cause("web-1", "health check said 500"),),
    undone_by=8,
    undone_to=41,
    url="https://slipway.example/projects/shop/deploys/7/",
)


def broken_run(run: ToldRun) -> ChatMessage:
    return whole(run_words(run))


def ended_deploy(deploy: EndedDeploy) -> ChatMessage:
    return chat(words.ended_deploy(deploy))


def said(blocks: tuple[dict[str, object], ...]) -> str:
    return json.dumps(blocks, ensure_ascii=False)


def test_a_broken_run_names_cause_author_and_page() -> None:
    message = broken_run(RUN)
    assert message.text == "shop: run 12 failed on main: test: step 2 ended with code 1"
    for part in ("*test*", "Ada Example", "4be1f09", "assert -1 == 0", f"<{RUN.url}|Run 12>"):
        assert part in said(message.blocks)


def test_a_run_without_stages_gives_its_own_reason() -> None:
    message = broken_run(replace(RUN, causes=(), tail="", reason="line 3, column 5: unknown key stage"))
    assert message.text.endswith("line 3, column 5: unknown key stage")
    assert "rich_text" not in said(message.blocks)


def test_a_failed_deploy_names_each_host_its_cause_and_what_follows() -> None:
    message = ended_deploy(DEPLOY)
    assert message.text == "shop: production: deploy 7 of release 42 failed: web-1: health check said 500"
    for part in ("*web-1*: health check said 500", "asked for by ada (#1)", "deploy 8 brings release 41 back"):
        assert part in said(message.blocks)


def test_a_finished_deploy_says_what_is_live() -> None:
    good = replace(DEPLOY, status="succeeded", bad_hosts=(), undone_by=None, undone_to=None, reason="")
    assert ended_deploy(good).text == "shop: production runs release 42, on 3 hosts"


def test_a_rollback_says_where_to_and_why() -> None:
    back = replace(
        DEPLOY, status="succeeded", is_rollback=True, release=41, asked_by="", why="deploy 7 failed", bad_hosts=()
    )
    message = ended_deploy(replace(back, undone_by=None))
    assert message.text == "shop: production is rolled back to release 41"
    assert "by Slipway itself, deploy 7 failed" in said(message.blocks)


def test_of_many_bad_hosts_ten_are_named() -> None:
    hosts = tuple(Cause(f"web-{i}", "refused") for i in range(25))
    assert "and 15 hosts more" in said(ended_deploy(replace(DEPLOY, bad_hosts=hosts)).blocks)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("<!channel> & <@U123>", "&lt;!channel&gt; &amp; &lt;@U123&gt;"),
        ("<https://evil.example|Run 12>", "&lt;https://evil.example|Run 12&gt;"),
        ("two\nlines\r\n\ttabs", "two lines tabs"),
        ("turned \u202eround", "turned round"),
    ],
)
def test_somebody_elses_text_is_plain_words(given: str, shown: str) -> None:
    assert escape(given) == shown


def test_no_field_of_a_message_can_mention_anybody() -> None:
    evil = "<!channel>"
    run = replace(RUN, title=evil, author=evil, ref_name=evil, reason=evil, tail=evil, causes=(Cause(evil, evil),))
    run = replace(run, suspects=(Suspect(evil, evil, evil),))
    deploy = replace(DEPLOY, title=evil, asked_by=evil, why=evil, reason=evil, bad_hosts=(Cause(evil, evil),))
    for message in (broken_run(run), ended_deploy(deploy)):
        assert "<!" not in message.text
        for block in message.blocks:
            if block["type"] not in ("rich_text", "actions"):  # taken as they stand
                assert "<!" not in json.dumps(block)
                assert '"verbatim": true' in json.dumps(block)


def test_the_end_of_a_log_has_no_colours_and_of_a_progress_bar_only_the_last() -> None:
    output = "\x1b[31mred\x1b[0m\n\n10%\r50%\r100%\r\n\x1b]8;;http://evil\x07link\x1b]8;;\x07\n"
    assert tail_of(output) == "red\n100%\nlink"


def test_the_end_of_a_log_is_its_last_fifteen_lines() -> None:
    assert tail_of("\n".join(map(str, range(100)))).split("\n") == [str(i) for i in range(85, 100)]


def test_a_deploy_that_asks_a_person_says_what_for() -> None:
    blocked = replace(DEPLOY, status="blocked", reason="2 of 3 must agree", bad_hosts=())
    asking = AskingDeploy(blocked, "waits for people")
    message = chat(words.asking_deploy(asking))
    assert message.text == "shop: production: deploy 7 of release 42 waits for people: 2 of 3 must agree"


def test_an_override_is_said_when_it_is_asked_for_with_its_reason() -> None:
    message = chat(words.overriding_deploy(replace(DEPLOY, status="queued", override="the shop is down")))
    assert "ada (#1) lets release 42 pass locks, freezes and approvals: the shop is down" in message.text


def test_a_repair_names_its_hosts() -> None:
    good = replace(DEPLOY, status="succeeded", bad_hosts=(), repaired=("web-9",), why="web-9 appeared", asked_by="")
    message = ended_deploy(good)
    assert message.text == "shop: production: web-9 brought to release 42"
    assert "by Slipway itself, web-9 appeared" in said(message.blocks)


def test_what_an_inspection_found_is_one_message_with_every_host() -> None:
    found = InspectedHosts(
        "shop", "production",
        drifted=(Cause("web-1", "app.py was changed or removed"),),
        ill=(Cause("web-2", "502"), Cause("web-3", "502")),
        unreachable=(), mended=(), follows="deploy 12 puts web-1 right", url="https://slipway.example/hosts/",
    )  # fmt: skip
    message = chat(words.inspected_hosts(found))
    assert message.text == (
        "shop: production: web-1 differs from the record, 2 hosts are not healthy: web-1: app.py was changed or removed"
    )
    assert "deploy 12 puts web-1 right" in said(message.blocks)
    assert "*web-3*: 502" in said(message.blocks)


def test_who_overrules_somebody_is_named_with_both_reasons() -> None:
    url = "https://slipway.example/projects/shop/environments/production/"
    told = words.Overruled(
        "shop", "production", "bob (#2)", "released the lock of ada (#1)", "we count", "counted", url
    )
    message = chat(words.overruled(told))
    assert message.text == "shop: production: bob (#2) released the lock of ada (#1): counted"
    for part in ("we count", "counted", url):
        assert part in said(message.blocks)


def test_a_broken_run_names_the_commits_since_the_last_good_one_and_their_authors() -> None:
    shown = said(broken_run(RUN).blocks)
    assert "Commits since run 11, the last that succeeded" in shown
    assert "77aa000 Count twice, by bob" in shown


def test_of_many_suspects_ten_are_named() -> None:
    many = tuple(Suspect(f"{number:07d}", "x", "ada") for number in range(25))
    shown = said(broken_run(replace(RUN, suspects=many)).blocks)
    assert "and 15 more" in shown
    assert "0000009" in shown
    assert "0000010" not in shown


def test_a_run_that_mends_its_ref_says_so() -> None:
    green = replace(RUN, status="succeeded", is_change=True, causes=(), tail="", suspects=())
    assert broken_run(green).text == "shop: main is mended by run 12"


def test_a_run_that_waits_for_people_has_a_button_to_where_they_agree() -> None:
    message = chat(asking_run(replace(RUN, waits=(Cause("publish", "2 people must agree first"),))))
    assert message.text == "shop: run 12 on main waits for approval of publish: 2 people must agree first"
    (actions,) = [block for block in message.blocks if block["type"] == "actions"]
    assert actions["elements"][0]["url"] == f"{RUN.url}#approval"


def test_a_step_in_a_thread_does_not_repeat_the_project() -> None:
    assert step(words.ended_deploy(DEPLOY), "shop").text.startswith("production: deploy 7 of release 42 failed")


def test_a_button_s_label_is_plain_text_of_at_most_75_characters() -> None:
    message = chat(words.Words("x", buttons=(Button("<!channel> " + "y" * 200, "https://slipway.example/"),)))
    element = message.blocks[-1]["elements"][0]
    assert element["text"]["type"] == "plain_text"
    assert len(element["text"]["text"]) == 75
