"""What a page tells while nobody asks the server: the seconds go on, and the tab says how the run stands."""

import re

from playwright.sync_api import expect

from pipelines.runs import lifecycle
from pipelines.states.status import Status
from tests.browser.visitor import Visitor
from tests.factories import make_operator, make_project, make_run, start_stage


def test_the_seconds_of_what_runs_are_counted_on_and_the_tab_tells_the_end(visitor: Visitor) -> None:
    run = make_run(make_project("shop"))
    attempt = start_stage(run)
    visitor.signs_in_as(make_operator())
    visitor.open(f"/projects/shop/runs/{run.number}/")
    page = visitor.page
    page.get_by_text("Live", exact=True).wait_for(timeout=60_000)
    took = page.locator("#facts [data-took]")
    expect(took).not_to_have_text(took.inner_text(), timeout=20_000)
    expect(page).to_have_title(re.compile("^running: "))
    lifecycle.finish_attempt(attempt, Status.FAILED, exit_code=1)
    expect(page).to_have_title(re.compile("^failed: "), timeout=60_000)
    expect(took).to_have_count(0)
