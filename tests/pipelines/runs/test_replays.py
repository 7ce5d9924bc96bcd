"""Events once more."""

import pytest

from pipelines.runs import replays
from pipelines.runs.models import EventKind, Run
from pipelines.runs.replays import NothingToReplay
from pipelines.runs.reruns import NothingToRerun
from tests.factories import make_event, make_green_run, make_project, make_run, make_sha

pytestmark = pytest.mark.django_db


def test_what_came_of_an_event_is_run_again_at_its_commit() -> None:
    run = make_green_run(make_project())
    event = run.events.get()
    again = replays.replay(event, "ada (#1)")
    assert (again.rerun_of, again.sha) == (run, run.sha)


def test_a_run_is_made_of_what_had_made_none() -> None:
    event = make_event(make_project(), sha=make_sha("quiet"), message="Tidy up [skip ci]")
    assert event.run is None
    made = replays.replay(event, "ada (#1)")
    assert (made.sha, made.ref, made.event_kind) == (event.sha, event.ref, EventKind.MANUAL)


def test_two_clicks_make_one_run() -> None:
    event = make_event(make_project(), sha=make_sha("quiet"), message="Tidy up [skip ci]")
    assert replays.replay(event, "ada (#1)") == replays.replay(event, "ada (#1)")
    assert Run.objects.count() == 1


def test_what_is_under_way_is_not_run_beside_itself() -> None:
    with pytest.raises(NothingToRerun, match="has not ended"):
        replays.replay(make_run(make_project()).events.get(), "ada (#1)")


def test_what_names_no_commit_cannot_be_replayed() -> None:
    ping = make_event(make_project(), kind=EventKind.PING, ref="")
    with pytest.raises(NothingToReplay, match="names no commit"):
        replays.replay(ping, "ada (#1)")
