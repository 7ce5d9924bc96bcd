"""An open page follows its records: by hint and fragment while all is well, by asking again when it is not."""

import re
from collections.abc import Sequence

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from pipelines.deploys import lifecycle as deploying
from pipelines.deploys import waits
from pipelines.deploys.models import Phase
from pipelines.runs import approvals, lifecycle, output
from pipelines.runs.models import Attempt, Run, Stage
from pipelines.states.status import Status
from tests.browser.conftest import Visit
from tests.browser.visitor import Visitor
from tests.browser.web import Web
from tests.factories import (
    begin_deploy,
    finish_host,
    finish_stage,
    make_deploy,
    make_environment,
    make_event,
    make_live,
    make_operator,
    make_person,
    make_project,
    make_red_run,
    make_run,
    plan,
    print_steps,
    start_stage,
)
from tests.lab.redis_server import OwnRedis

SECONDS = 1000
LOST = "WebSocket connection to|ERR_CONNECTION_(REFUSED|RESET)|ERR_EMPTY_RESPONSE"
_LISTEN = """() => {
  window.heard = [];
  window.untouched = true;
  document.body.addEventListener("slipway:changed", (event) => window.heard.push(event.detail.subject));
}"""


@pytest.fixture
def operator(visitor: Visitor) -> Visitor:
    visitor.signs_in_as(make_operator())
    return visitor


def page_of(run: Run, stage: str = "") -> str:
    return f"/projects/{run.project.name}/runs/{run.number}/" + (f"?stage={stage}" if stage else "")


def wire(page: Page, words: str | re.Pattern[str], seconds: float = 60) -> None:
    expect(page.locator("#wire")).to_have_text(words, timeout=seconds * SECONDS)


def watch(visitor: Visitor, path: str) -> Page:
    """Open a page, wait until it is live, and mark it, so that a reload would show."""
    visitor.open(path)
    wire(visitor.page, "Live")
    visitor.page.evaluate(_LISTEN)
    return visitor.page


def was_told(page: Page, subject: str) -> bool:
    """Whether a hint about such a record came to this very page, that nobody has loaded again."""
    told: bool = page.evaluate("kind => window.untouched && window.heard.includes(kind)", subject)
    return told


def test_a_run_moves_on_the_open_page_without_a_reload(operator: Visitor) -> None:
    run = make_run()
    page = watch(operator, page_of(run))
    finish_stage(run, "build")
    expect(page.locator("#side")).to_contain_text("1 of 2 done", timeout=60 * SECONDS)
    finish_stage(run, "test", Status.FAILED)
    expect(page.locator("#facts")).to_contain_text("failed", timeout=60 * SECONDS)
    assert was_told(page, "run")


GATE = """\
image: busybox
stages:
  ship: {approval: {count: 2, ask: {ticket: {description: Number of the change}}}, steps: [ship]}
"""


def test_an_approval_by_others_comes_live_and_leaves_alone_what_somebody_types(operator: Visitor) -> None:
    run = make_run(spec=GATE)
    gate = run.stages.select_related("run__project").get()
    page = watch(operator, page_of(run))
    page.get_by_label("ticket").fill("OPS-1931")
    approvals.approve(gate, make_person("ana"), "ana (#7)", {"ticket": "OPS-7"})
    expect(page.locator("#approval")).to_contain_text("ana approved, with ticket=OPS-7", timeout=60 * SECONDS)
    expect(page.locator("#stage")).to_contain_text("Waits for approval (1 of 2).")
    expect(page.get_by_label("ticket")).to_have_value("OPS-1931")
    expect(page.get_by_label("ticket")).to_be_focused()
    approvals.approve(gate, make_person("bea"), "bea (#8)", {"ticket": "OPS-8"})
    expect(page.locator("#side")).to_contain_text("no runner is there", timeout=60 * SECONDS)
    expect(page.get_by_role("button", name="Approve ship")).to_have_count(0)
    attempt = start_stage(run)
    expect(page.locator(f"[data-log='{attempt.log_id}']")).to_be_visible(timeout=60 * SECONDS)
    print_steps(attempt, [b"under way\n"])
    shows(page, ["under way"])
    lifecycle.finish_attempt(attempt, Status.SUCCEEDED, exit_code=0)
    expect(page.locator("#facts")).to_contain_text("succeeded", timeout=60 * SECONDS)
    shows(page, ["under way"])
    assert was_told(page, "run")


def test_who_approves_in_the_page_sees_the_stage_start_without_a_reload(operator: Visitor) -> None:
    run = make_run(spec=GATE.replace("count: 2", "count: 1"))
    page = watch(operator, page_of(run))
    page.get_by_label("ticket").fill("OPS-1931")
    page.get_by_role("button", name="Approve ship").click()
    expect(page.get_by_text("ship starts.")).to_be_visible()
    wire(page, "Live")
    page.evaluate(_LISTEN)
    finish_stage(run)
    expect(page.locator("#facts")).to_contain_text("succeeded", timeout=60 * SECONDS)
    assert page.evaluate("window.untouched")


def test_what_failed_is_run_again_by_a_click_and_its_page_follows(operator: Visitor) -> None:
    run = make_red_run()
    page = watch(operator, page_of(run))
    page.get_by_role("button", name="Run again what failed").click()
    expect(page.locator("#facts")).to_contain_text(f"run {run.number} again, what failed")
    wire(page, "Live")
    page.evaluate(_LISTEN)
    again = Run.objects.get(rerun_of=run)
    plan(again)
    expect(page.locator("#side")).to_contain_text(f"from run {run.number}", timeout=60 * SECONDS)
    finish_stage(again, "test")
    expect(page.locator("#facts")).to_contain_text("succeeded", timeout=60 * SECONDS)
    assert was_told(page, "run")


def test_a_stage_that_is_tried_again_says_so_live_and_offers_the_new_attempt(operator: Visitor) -> None:
    run = make_run(spec="image: busybox\nstages:\n  flaky: {retry: {times: 2, on: [infrastructure]}, steps: [x]}\n")
    first = start_stage(run)
    print_steps(first, [b"first\n"])
    page = watch(operator, page_of(run))
    shows(page, ["first"])
    lifecycle.finish_attempt(first, Status.ERRORED, reason="the engine went away")
    expect(page.locator("#stwhy")).to_contain_text(
        "The attempt before ended: the engine went away.", timeout=60 * SECONDS
    )
    shows(page, ["first"])
    Stage.objects.filter(run=run).update(ready_at=None)
    print_steps(start_stage(run), [b"second\n"])
    page.get_by_role("link", name="Attempt 2").click()
    shows(page, ["second"])


def test_the_queue_and_its_number_in_the_bar_follow(operator: Visitor) -> None:
    run = make_run()
    page = watch(operator, "/queue/")
    expect(page.locator("#queue-n")).to_have_text("1")
    start_stage(run)
    expect(page.locator("h1")).to_have_text("Nothing waits", timeout=60 * SECONDS)
    expect(page.locator("#queue-n")).to_have_text("0")


def test_the_first_page_shows_a_push_as_it_arrives(operator: Visitor) -> None:
    project = make_project("shop")
    page = watch(operator, "/")
    event = make_event(project)
    assert event.run is not None
    expect(page.locator("#rail")).to_contain_text(f"shop run {event.run.number}", timeout=60 * SECONDS)
    lifecycle.reject(event.run, Status.FAILED, "there is no .slipway.yml at this commit")
    expect(page.locator("#needs")).to_contain_text("there is no .slipway.yml", timeout=60 * SECONDS)
    assert was_told(page, "project")


def test_a_deploy_is_followed_host_by_host(operator: Visitor) -> None:
    environment = make_environment(make_project("shop"), "production")
    deploy = begin_deploy(make_deploy(environment))
    page = watch(operator, f"/projects/shop/deploys/{deploy.number}/")
    row = deploy.hosts.select_related("log", "host").get(host__name="web-1")
    row.deploy = deploy
    deploying.start_host(row)
    deploying.note_phase(row, Phase.HEALTH)
    expect(page.locator("#hosts")).to_contain_text("checking health", ignore_case=True, timeout=60 * SECONDS)
    deploying.finish_host(row, Status.SUCCEEDED)
    expect(page.locator("#waves")).to_contain_text("1 of 1", timeout=60 * SECONDS)
    finish_host(deploy, "web-2")
    deploying.finish_deploy(deploy, Status.SUCCEEDED)
    expect(page.locator("#facts")).to_contain_text("succeeded", timeout=60 * SECONDS)
    assert was_told(page, "deploy")


def test_what_is_live_changes_under_the_eyes_of_the_operator(operator: Visitor) -> None:
    environment = make_environment(make_project("shop"), "production")
    first = make_live(environment).release
    page = watch(operator, "/projects/shop/environments/production/")
    expect(page.locator("#rollback")).to_contain_text("no earlier release")
    second = make_live(environment).release
    expect(page.locator("#head")).to_contain_text(f"production runs release {second.number}", timeout=60 * SECONDS)
    expect(page.locator("#rollback button")).to_contain_text(f"Roll back to release {first.number}")
    assert was_told(page, "environment")


TEXT = (
    b"\x1b[1mbold\x1b[0m and \x1b[32mgreen\x1b[0m\n",
    b"gr\xc3",  # a letter, a line and a colour are cut where the chunk ends
    b"\xbcn\n\x1b[3",
    b"1mred\x1b[0m <script>document.title = 'taken'</script>\n",
    b"  indented\ttab\n\nno newline yet",
)
LINES = [
    "bold and green",
    "grün",
    "red <script>document.title = 'taken'</script>",
    "  indented\ttab",
    "",
    "no newline yet",
]


def lines(page: Page) -> list[str]:
    return page.locator(".log .ln > span").all_text_contents()


def shows(page: Page, expected: Sequence[str]) -> None:
    """Wait for as many lines, and for the last to be whole; then every one must be exact."""
    expect(page.locator(".log .ln > span")).to_have_count(len(expected), timeout=60 * SECONDS)
    expect(page.locator(".log .ln > span").last).to_have_text(expected[-1], use_inner_text=True, timeout=60 * SECONDS)
    assert lines(page) == list(expected)


def printing() -> Attempt:
    attempt = start_stage(make_run(), "build")
    print_steps(attempt, [TEXT[0]])
    return attempt


def say(attempt: Attempt, *texts: bytes) -> None:
    for text in texts:
        attempt.log.refresh_from_db()
        output.append(attempt, text, attempt.log.raw_size + len(text))


def test_the_log_comes_live_late_and_reloaded_with_the_exact_text(operator: Visitor, visitor_of: Visit) -> None:
    attempt = printing()
    path = page_of(attempt.stage.run, "build")
    page = watch(operator, path)
    shows(page, LINES[:1])
    say(attempt, *TEXT[1:])
    shows(page, LINES)
    page.reload()
    shows(page, LINES)
    late = visitor_of(storage_state=operator.context.storage_state())
    late.open(path)
    shows(late.page, LINES)
    assert page.title() == late.page.title() != "taken"
    coloured = page.locator(".log .ln > span, .log .ln .a32, .log .ln .a31")
    assert len(set(coloured.evaluate_all("all => all.map(one => getComputedStyle(one).color)"))) == 3


def test_a_web_process_that_is_killed_is_said_to_be_lost_and_costs_nothing(operator: Visitor, web: Web) -> None:
    attempt = printing()
    page = watch(operator, page_of(attempt.stage.run, "build"))
    shows(page, LINES[:1])
    web.kill()
    wire(page, re.compile(r"^Lost, trying again in \d+ s$"))
    expect(page.locator("#wire")).to_have_class(re.compile("wire--lost"))
    expect(page.locator(".log__end .wire")).to_have_text("Waits for the connection")
    say(attempt, *TEXT[1:])
    lifecycle.finish_attempt(attempt, Status.FAILED, reason="step 1 ended with code 1", exit_code=1)
    web.start()
    wire(page, "Live", 40)
    shows(page, LINES)
    expect(page.locator("#facts")).to_contain_text("failed", timeout=60 * SECONDS)
    expect(page.locator(".log__end .wire")).to_have_text("The end")
    assert page.evaluate("window.untouched")
    operator.expects(LOST)


def test_without_redis_the_page_still_follows(operator: Visitor, layer: OwnRedis) -> None:
    attempt = printing()
    run = attempt.stage.run
    page = watch(operator, page_of(run, "build"))
    layer.stop()
    say(attempt, *TEXT[1:])
    shows(page, LINES)
    lifecycle.finish_attempt(attempt, Status.SUCCEEDED, exit_code=0)
    expect(page.locator("#side")).to_contain_text("1 of 2 done", timeout=60 * SECONDS)
    layer.start()
    finish_stage(run, "test")
    expect(page.locator("#facts")).to_contain_text("succeeded", timeout=60 * SECONDS)
    assert page.evaluate("window.untouched")


def test_a_page_with_a_log_has_one_connection(operator: Visitor) -> None:
    attempt = printing()
    environment = make_environment(make_project("shop"), "production")
    deploy = begin_deploy(make_deploy(environment))
    opened: list[str] = []
    operator.page.on("websocket", lambda socket: opened.append(socket.url))
    page = watch(operator, page_of(attempt.stage.run, "build"))
    say(attempt, *TEXT[1:])
    shows(page, LINES)
    for path in (f"/projects/shop/deploys/{deploy.number}/", f"/projects/shop/deploys/{deploy.number}/?host=web-1"):
        watch(operator, path)
        expect(page.locator(".log__end .wire")).to_have_text("Goes on", timeout=60 * SECONDS)
    assert [url.partition("/ws/")[2] for url in opened] == ["live/"] * 3


def test_where_no_socket_gets_through_the_page_looks_again_and_again(operator: Visitor) -> None:
    operator.page.route_web_socket(re.compile("/ws/live/"), lambda socket: socket.close())
    attempt = printing()
    operator.open(page_of(attempt.stage.run, "build"))
    page = operator.page
    page.evaluate(_LISTEN)
    shows(page, LINES[:1])
    wire(page, re.compile(r"^Lost, trying again in \d+ s$"))
    say(attempt, *TEXT[1:])
    shows(page, LINES)
    lifecycle.finish_attempt(attempt, Status.FAILED, reason="step 1 ended with code 1", exit_code=1)
    expect(page.locator("#facts")).to_contain_text("failed", timeout=60 * SECONDS)
    expect(page.locator(".log__end .wire")).to_have_text("The end", timeout=60 * SECONDS)
    assert page.evaluate("window.untouched")
    operator.expects(LOST)


def test_a_connection_that_died_without_a_word_is_noticed_and_made_anew(operator: Visitor) -> None:
    flows = [True]

    def between(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        socket.on_message(lambda text: server.send(text) if flows[0] else None)
        server.on_message(lambda text: socket.send(text) if flows[0] else None)

    operator.page.clock.install()
    operator.page.route_web_socket(re.compile("/ws/live/"), between)
    attempt = printing()
    page = watch(operator, page_of(attempt.stage.run, "build"))
    shows(page, LINES[:1])
    flows[0] = False
    say(attempt, *TEXT[1:])
    page.clock.fast_forward(30 * SECONDS)
    wire(page, re.compile("^Lost, trying again in"))
    flows[0] = True
    wire(page, "Live")
    shows(page, LINES)
    assert page.evaluate("window.untouched")


def test_who_has_signed_out_elsewhere_is_told_and_goes_on_after_signing_in(operator: Visitor, web: Web) -> None:
    attempt = printing()
    page = watch(operator, page_of(attempt.stage.run, "build"))
    shows(page, LINES[:1])
    operator.context.clear_cookies()
    web.kill()
    web.start()
    wire(page, re.compile(r"^Signed out, trying again in \d+ s$"), 60)
    operator.signs_in_as(make_operator("olga"))
    say(attempt, *TEXT[1:])
    wire(page, "Live", 60)
    shows(page, LINES)
    assert page.evaluate("window.untouched")
    operator.expects(LOST)


def test_what_somebody_reads_in_a_log_stays_while_the_deploy_around_it_moves(operator: Visitor) -> None:
    deploy = begin_deploy(make_deploy(make_environment(make_project("shop"), "production")))
    text = b"".join(b"line %d\n" % number for number in range(200))
    deploying.append_output(deploy, deploy.log, text, len(text))
    page = watch(operator, f"/projects/shop/deploys/{deploy.number}/?host=-")
    page.get_by_label("Search in this log").fill("line 17")
    expect(page.locator(".log__n")).to_have_text(re.compile(" of 11 lines$"), timeout=60 * SECONDS)
    waits.pause(deploy, "ada (#1)")
    expect(page.locator("#head")).to_contain_text("Pauses after this wave", timeout=60 * SECONDS)
    expect(page.locator(".log__n")).to_have_text(re.compile(" of 11 lines$"))
    expect(page.get_by_label("Search in this log")).to_have_value("line 17")
