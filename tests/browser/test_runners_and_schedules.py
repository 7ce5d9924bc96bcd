"""The pages of runners and schedules in a real browser: they fit, nothing is refused, nobody is shut out."""

import os
from pathlib import Path

from pipelines.roster import lifecycle as roster
from pipelines.roster.models import Kind
from pipelines.runs.lifecycle import claim_stage
from pipelines.schedules import lifecycle as schedules
from pipelines.spec.model import ScheduleSpec
from tests.browser.conftest import Visit
from tests.browser.test_pages import look
from tests.factories import make_operator, make_project, make_run

_PICTURES = os.environ.get("SLIPWAY_TEST_PICTURES", "")  # a folder; the pages are painted into it


def test_the_pages_of_runners_and_schedules_fit_their_windows_and_shut_nobody_out(visitor_of: Visit) -> None:
    project = make_project("ledger")
    names = [roster.register("runner-a", pid, Kind.STAGE, ("gpu", "big"), "0.1.0").name for pid in (7, 8, 9)]
    roster.register("runner-b", 7, Kind.STAGE, (), "0.1.0")
    roster.register("web-1", 12, Kind.CONTROL, (), "0.1.0")
    roster.drain("runner-b", "ana (#3)")
    claim_stage(make_run(project).stages.get(name="build").pk, names[0], ("gpu",))
    schedules.sync(
        project, [ScheduleSpec("nightly", "30 2 * * 1-5", "Europe/Berlin"), ScheduleSpec("never", "0 0 30 2 *")]
    )
    weekly = schedules.make(project, "weekly", "0 6 * * 1", "America/New_York", "next", {"DEEP": "true"}, "ana (#3)")
    schedules.pause(weekly, "ana (#3)")
    visitor = visitor_of(reduced_motion="reduce")
    visitor.signs_in_as(make_operator())
    paths = {"runners": "/runners/", "schedules": f"/projects/{project}/schedules/"}
    found = [wrong for path in paths.values() for wrong in look(visitor, path)]
    for name, path in paths.items() if _PICTURES else ():
        visitor.open(path)
        visitor.page.screenshot(path=Path(_PICTURES) / f"{name}.png")
    assert not found, "\n".join(found)
