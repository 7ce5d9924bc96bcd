"""How a deploy ended, judged from its hosts; without a database."""

import pytest

from pipelines.deploys.models import Host, HostDeploy
from pipelines.states.status import Status
from runners.hosts.verdicts import Verdict, judge

OVER, FAILED, ERRORED, PENDING = Status.SUCCEEDED, Status.FAILED, Status.ERRORED, Status.PENDING


def rows(*statuses: Status) -> list[HostDeploy]:
    return [
        HostDeploy(host=Host(name=f"web-{place}"), status=status, switched=status != PENDING, reason="said 500")
        for place, status in enumerate(statuses, 1)
    ]


def judged(
    *statuses: Status, cancelled: bool = False, too_many: bool = False, complaint: str = "", undone: str = ""
) -> Verdict:
    return judge(rows(*statuses), cancelled=cancelled, too_many=too_many, complaint=complaint, undone=undone)


@pytest.mark.parametrize(
    ("statuses", "too_many", "expected"),
    [
        ([OVER, OVER], False, Status.SUCCEEDED),
        ([OVER, FAILED], False, Status.SUCCEEDED),
        ([OVER, FAILED], True, Status.FAILED),
        ([FAILED, ERRORED], False, Status.ERRORED),
        ([FAILED], False, Status.FAILED),
        ([OVER, FAILED, ERRORED], True, Status.ERRORED),
    ],
)
def test_a_deploy_is_as_bad_as_its_worst_host_once_too_many_are_lost(
    statuses: list[Status], too_many: bool, expected: Status
) -> None:
    assert judged(*statuses, too_many=too_many).status == expected


def test_the_hosts_that_were_lost_are_named_also_when_the_budget_allowed_for_them() -> None:
    assert judged(OVER, FAILED).reason == (
        "1 of 2 hosts did not come over, 2 had been switched; web-2 failed: said 500"
    )
    assert judged(OVER, OVER).reason == ""


def test_a_cancelled_deploy_says_which_hosts_nobody_knows_about() -> None:
    verdict = judged(OVER, ERRORED, PENDING, cancelled=True)
    assert verdict.status == Status.CANCELLED
    assert "1 of 3 hosts are on the new release, the state of web-2 is unknown" in verdict.reason


def test_a_cancel_that_came_after_the_last_host_changes_nothing() -> None:
    assert judged(OVER, OVER, cancelled=True).status == Status.SUCCEEDED


def test_what_goes_bad_after_its_switch_fails_the_deploy_whatever_its_budget() -> None:
    assert judged(OVER, PENDING, complaint="web-1 went bad") == Verdict(Status.FAILED, "web-1 went bad")


def test_a_cancel_before_what_comes_after_the_last_host_cancels_and_says_what_was_not_done() -> None:
    verdict = judged(OVER, OVER, cancelled=True, undone="the traffic was not turned to green")
    assert verdict.status == Status.CANCELLED
    assert "2 of 2 hosts are on the new release" in verdict.reason
    assert "the traffic was not turned to green" in verdict.reason


def test_a_cancel_that_found_nothing_left_to_stop_does_not_hide_a_failure() -> None:
    assert judged(OVER, FAILED, cancelled=True, too_many=True).status == Status.FAILED
