"""What ends is counted once, for good; and what is put together says the same as before."""

from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from pipelines.outbox import queue
from pipelines.outbox.models import Channel, Message
from pipelines.runs.models import Run
from pipelines.runs.reruns import rerun
from pipelines.states.status import Status
from pipelines.tallies.models import Tally
from pipelines.tallies.totals import AT_ONCE, put_together, totals
from tests.factories import (
    finish_deploy,
    make_deploy,
    make_environment,
    make_green_run,
    make_project,
    make_red_run,
    make_run,
    plan,
)
from tests.rivals import race

pytestmark = pytest.mark.django_db


def counts() -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for total in totals():
        found[total.counted, total.status] += total.count
    return found


def test_what_ends_is_counted_by_how_it_ended_and_what_goes_on_is_not() -> None:
    project = make_project()
    make_green_run(project)
    make_red_run(project)
    make_run(project)
    environment = make_environment(project)
    finish_deploy(make_deploy(environment), Status.FAILED)
    found = counts()
    assert (found["run", "succeeded"], found["run", "failed"], found["wait", ""]) == (2, 1, 4)
    assert found["deploy", "failed"] == 1
    (deploy,) = (total for total in totals() if total.counted == "deploy")
    assert (deploy.project_id, deploy.words, deploy.kind) == (project.pk, environment.name, "deploy")
    assert deploy.bucket is not None


def test_what_a_rerun_takes_over_is_not_counted_again() -> None:
    red = make_red_run(make_project())
    succeeded = counts()["stage", "succeeded"]
    assert succeeded
    plan(rerun(red, "ada (#1)", only_failed=True))
    assert counts()["stage", "succeeded"] == succeeded


def test_how_long_it_took_is_never_less_than_nothing() -> None:
    """As when two machines' clocks differ."""
    run = make_run(spec=None)
    Run.objects.filter(pk=run.pk).update(created_at=timezone.now() + timedelta(hours=1))
    run.refresh_from_db()
    plan(run)
    (waited,) = (total for total in totals() if total.counted == "wait")
    assert (waited.bucket, waited.seconds) == (0, 0.0)


def test_a_message_that_is_given_up_is_counted_by_its_channel() -> None:
    make_red_run(make_project(chat_channel="#shop"))
    message = Message.objects.get(channel=Channel.CHAT)
    queue.failed(message, "later", permanent=False)
    assert counts()["given_up", ""] == 0
    queue.failed(message, "no", permanent=True)
    assert [total.words for total in totals() if total.counted == "given_up"] == ["chat"]


def test_what_is_put_together_says_the_same_and_takes_a_row_for_each_of_its_words() -> None:
    project = make_project()
    for _ in range(3):
        make_green_run(project)
    before = sorted(totals(), key=str)
    put_together()
    for _ in range(2):
        make_red_run(project)
    put_together()
    after = {(one.counted, one.status, one.bucket): one.count for one in totals()}
    assert all(after[one.counted, one.status, one.bucket] >= one.count for one in before)
    assert counts()["run", "succeeded"] == 3
    assert Tally.objects.count() == len(after)
    assert put_together() == 0


@pytest.mark.django_db(transaction=True)
def test_of_several_clocks_that_put_together_at_once_none_counts_twice() -> None:
    Tally.objects.bulk_create([Tally(counted="run", status=Status.FAILED, seconds=2.0) for _ in range(AT_ONCE + 50)])
    done = race(4, lambda _: put_together())
    assert sum(one for one in done if isinstance(one, int)) == AT_ONCE + 50
    (total,) = totals()
    assert (total.count, total.seconds) == (AT_ONCE + 50, 2.0 * (AT_ONCE + 50))
