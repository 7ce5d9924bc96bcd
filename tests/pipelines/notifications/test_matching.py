"""Which happening which rule wants: no database."""

from dataclasses import replace
from datetime import UTC, datetime, time

import pytest

from pipelines.notifications.addresses import BadAddress, read
from pipelines.notifications.digests import due_day
from pipelines.notifications.matching import Happening, is_change, wants
from pipelines.notifications.models import Kind, Rule, Topic
from pipelines.states.status import Status
from server.rulewords import sentence

BROKEN = Happening(Topic.RUN_FAILED, ref="refs/heads/main", default_ref="refs/heads/main", is_change=True)
DEPLOYED = Happening(Topic.DEPLOY_SUCCEEDED, environment="production")


def rule(*topics: str, **fields: object) -> Rule:
    return Rule(topics=list(topics), **fields)


def test_a_rule_hears_of_its_topics_alone() -> None:
    assert wants(rule(Topic.RUN_FAILED), BROKEN)
    assert not wants(rule(Topic.RUN_SUCCEEDED), BROKEN)


def test_only_on_change_leaves_out_what_was_red_before() -> None:
    again = replace(BROKEN, is_change=False)
    assert not wants(rule(Topic.RUN_FAILED, only_changes=True), again)
    assert wants(rule(Topic.RUN_FAILED, only_changes=False), again)


def test_a_run_that_asks_is_always_told() -> None:
    asks = replace(BROKEN, topic=Topic.RUN_ASKS, is_change=False)
    assert wants(rule(Topic.RUN_ASKS), asks)


@pytest.mark.parametrize(
    ("refs", "ref", "heard"),
    [
        ([], "refs/heads/main", True),
        ([], "refs/heads/lamp", False),
        (["lamp"], "refs/heads/lamp", True),
        (["lamp"], "refs/tags/lamp", False),  # a tag that is called like a branch
        (["release/*"], "refs/heads/release/4", True),
        (["*"], "refs/heads/a/b", False),
        (["**"], "refs/heads/a/b", True),
        (["refs/tags/v*"], "refs/tags/v1.2", True),
    ],
)
def test_refs_are_globs_of_branches_or_of_full_refs(refs: list[str], ref: str, heard: bool) -> None:
    assert wants(rule(Topic.RUN_FAILED, refs=refs), replace(BROKEN, ref=ref)) is heard


@pytest.mark.parametrize(("names", "heard"), [([], True), (["production"], True), (["staging"], False)])
def test_environments_are_named_or_all(names: list[str], heard: bool) -> None:
    assert wants(rule(Topic.DEPLOY_SUCCEEDED, environments=names), DEPLOYED) is heard


@pytest.mark.parametrize(
    ("status", "before", "is_overtaken", "news"),
    [
        (Status.FAILED, None, False, True),
        (Status.FAILED, Status.SUCCEEDED, False, True),
        (Status.FAILED, Status.ERRORED, False, False),
        (Status.SUCCEEDED, Status.FAILED, False, True),
        (Status.SUCCEEDED, Status.SUCCEEDED, False, False),
        (Status.SUCCEEDED, None, False, False),
        (Status.FAILED, Status.SUCCEEDED, True, False),  # a later run has its verdict already
        (Status.CANCELLED, Status.FAILED, False, False),
    ],
)
def test_what_is_news(status: str, before: str | None, is_overtaken: bool, news: bool) -> None:
    assert is_change(status, before, is_overtaken) is news


@pytest.mark.parametrize(
    ("kind", "text", "shown"),
    [
        (Kind.SLACK, "#shop", "#shop"),
        (Kind.MAIL, "a@example.org; b@example.org", "a@example.org, b@example.org"),
        (Kind.WEBHOOK, "https://hooks.example.org:8443/T0/secret?key=1", "https://hooks.example.org:8443/…"),
        (Kind.APPRISE, "tgram://123:token/chat", "tgram://…"),
    ],
)
def test_what_may_be_a_credential_is_not_shown(kind: Kind, text: str, shown: str) -> None:
    assert read(kind, text).shown == shown


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Kind.SLACK, "shop"),
        (Kind.SLACK, "#a <!channel>"),
        (Kind.MAIL, "nobody"),
        (Kind.MAIL, "a@example.org\r\nBcc: eve@example.org"),
        (Kind.WEBHOOK, "ftp://example.org/"),
        (Kind.WEBHOOK, "https://user:pass@example.org/"),
        (Kind.WEBHOOK, "https://[::1"),
        (Kind.WEBHOOK, "https://example.org:99999/"),
        (Kind.APPRISE, "hello"),
    ],
)
def test_what_is_no_address_is_said(kind: Kind, text: str) -> None:
    with pytest.raises(BadAddress):
        read(kind, text)


def digest(at: time, zone: str, created: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> Rule:
    return rule(Topic.DIGEST, digest_at=at, time_zone=zone, created_at=created)


@pytest.mark.parametrize(
    ("now", "day"),
    [
        (datetime(2026, 3, 10, 7, 59, tzinfo=UTC), None),  # 08:59 in Berlin
        (datetime(2026, 3, 10, 8, 0, tzinfo=UTC), 10),
        (datetime(2026, 3, 10, 19, 59, tzinfo=UTC), 10),  # late, for no announcer ran
        (datetime(2026, 3, 10, 20, 0, tzinfo=UTC), None),  # too late
        (datetime(2026, 7, 10, 7, 0, tzinfo=UTC), 10),  # 09:00 in summer
    ],
)
def test_a_digest_is_due_at_its_time_on_the_clocks_of_its_zone(now: datetime, day: int | None) -> None:
    found = due_day(digest(time(9), "Europe/Berlin"), now)
    assert (found.day if found else None) == day


def test_a_digest_of_late_evening_is_still_due_after_midnight() -> None:
    found = due_day(digest(time(23, 50), "UTC"), datetime(2026, 3, 11, 0, 5, tzinfo=UTC))
    assert found is not None
    assert found.day == 10


def test_a_rule_that_is_written_after_its_time_waits_for_tomorrow() -> None:
    made = datetime(2026, 3, 10, 10, tzinfo=UTC)
    assert due_day(digest(time(9), "UTC", made), datetime(2026, 3, 10, 11, tzinfo=UTC)) is None
    assert due_day(digest(time(9), "UTC", made), datetime(2026, 3, 11, 11, tzinfo=UTC)) is not None


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (rule("run.failed", "run.succeeded"), "hears when main breaks or is mended"),
        (rule("run.failed", only_changes=False, refs=["a", "b"]), "hears when a run of a or b fails"),
        (
            rule("deploy.begun", "deploy.failed", "drift", environments=["production"]),
            "hears when a deploy to production begins or fails; when hosts differ from the record or fall ill in "
            "production",
        ),
        (digest(time(9), "Europe/Berlin"), "hears a digest every day at 09:00, Europe/Berlin"),
    ],
)
def test_a_rule_is_read_as_a_sentence(written: Rule, said: str) -> None:
    assert sentence(written, "main") == said
