"""A server with a past: three projects, their runs, releases, deploys and events, made by the product's own verbs."""

from dataclasses import asdict, dataclass
from typing import Any

from django.contrib.auth.models import User

from pipelines.deploys import lifecycle as deploying
from pipelines.deploys import releases
from pipelines.deploys.lifecycle import Listed
from pipelines.deploys.models import Deploy, Environment, EnvironmentSecret, Host, Phase, Release
from pipelines.logs.models import Log
from pipelines.projects import pipelines
from pipelines.projects.models import Project, Role
from pipelines.runs import lifecycle
from pipelines.runs.models import Event, EventKind, Run
from pipelines.spec.errors import SpecError
from pipelines.spec.parser import parse
from pipelines.states.status import Status
from tests import factories
from tests.browser import language, operations, outside, pasts, prints, tested
from tests.browser.lookouts import look_at_hosts

MINUTE, HOUR = 60, 3600
PASSWORD = "long enough 1"
SPEC = """\
image: python:3.12
stages:
  lint:
    needs: []
    steps: [ruff check .]
  build:
    needs: []
    steps: ["pip install -r requirements.txt", {name: package, run: python -m build}]
    artifacts: [dist/]
  unit:
    needs: [build]
    steps: [pytest -q]
  browser:
    needs: [build]
    steps: [pytest browser]
  smoke:
    needs: [unit, browser, lint]
    steps: [./smoke]
deploy:
  artifact: dist/
  path: /srv/shop
  migrate: ./manage.py migrate
  activate: sudo systemctl restart shop
  health: {url: "http://127.0.0.1:8000/healthz", timeout: 30s}
  strategy: {waves: [1, 2, rest]}
"""
_BROKEN = "image: python:3.12\nstages:\n  test:\n    needs: [biuld]\n    step: [pytest]\n  build:\n    steps: [make]\n"
_TITLES = (
    "Sort the basket by shelf",
    "Show delivery slots in the basket",
    "Upgrade Django to 5.2.1",
    "Retry payment webhooks with back-off",
    "Correct the VAT summary on invoices",
    "Cache product pages for anonymous visitors",
    "Drop the unused price table",
    "Log slow queries over 200 ms",
    "Remember the last delivery address",
    "Index orders by customer",
    "Reserve stock per warehouse",
    "Say why a voucher was refused",
)
_AUTHORS = ("bob", "dana", "erin", "bob", "dana")
_RELEASE, _DEPLOY = 33, 108  # the numbers with which the story begins
_WEB = [f"web-{number}" for number in range(1, 6)]


@dataclass(frozen=True, slots=True)
class Scenery:
    """Who may look, and what each kind of page shows."""

    operator: User
    developer: User
    paths: dict[str, str]


def build() -> Scenery:
    """Every kind of page with something on it; some of it runs, waits, or went wrong."""
    operator, developer = factories.make_operator("alice", PASSWORD), factories.make_person("bob")
    shop = factories.make_project("shop", clone_url="https://github.com/example/shop.git", next_run_number=1271)
    Project.objects.filter(pk=shop.pk).update(next_release_number=_RELEASE, next_deploy_number=_DEPLOY)
    factories.join(developer, shop, Role.DEVELOPER)
    preview = _environment(shop, "preview", ["preview-1"], 9, ref_pattern="refs/heads/*")
    production = _environment(shop, "production", [*_WEB, "work-1", "work-2"], 4)
    staging = _environment(shop, "staging", [f"stage-{number}" for number in range(1, 7)], 5)
    _tell_the_past(production, staging, preview)
    broken = _red_branch()
    _events(shop)
    site = factories.make_project("site", default_branch="trunk", next_run_number=317)
    refused = _refused_run(site)
    deploy = _deploy_under_way(staging)
    running = _run_under_way(shop)
    waiting = factories.make_run(site, ref="refs/heads/trunk", spec=None, title="", author="", actor="dana")
    pasts.move_run(waiting, 40, 0)
    look_at_hosts(production)
    outside.build(shop)
    newest = Event.objects.get(run=running)
    place = "/projects/shop/environments"
    return Scenery(
        operator,
        developer,
        {
            "dashboard": "/",
            "project": "/projects/shop/",
            "run": f"/projects/shop/runs/{running.number}/",
            "red run": f"/projects/ledger/runs/{broken.number}/",
            "refused run": f"/projects/site/runs/{refused.number}/",
            "queued run": f"/projects/site/runs/{waiting.number}/",
            "environment": f"{place}/production/",
            "empty environment": f"{place}/preview/",
            "hosts": f"{place}/production/hosts/",
            "deploy": f"/projects/shop/deploys/{deploy.number}/",
            "failed deploy": f"/projects/shop/deploys/{_failed(production).number}/",
            "events": "/events/",
            "event": f"/projects/shop/events/{newest.pk}/",
            "account": "/account/",
            "runners": "/runners/",
            **language.build(operator, developer),
            **operations.build(operator),
            **_tested(),
        },
    )


def _tested() -> dict[str, str]:
    basket = factories.make_project("basket")
    pipelines.keep(basket, SPEC, "alice (#1)")
    tests = f"/projects/basket/runs/{tested.past(basket).number}/tests/"
    return {"tests": tests, "slowest tests": f"{tests}?show=slowest", "flaky tests": f"{tests}?show=flaky"}


def _environment(project: Project, name: str, hosts: list[str], net: int, **fields: Any) -> Environment:
    listed = [{"name": host, "address": f"10.0.{net}.{place}"} for place, host in enumerate(hosts, 11)]
    return factories.make_environment(project, name, inventory={"hosts": listed}, **fields)


def _tell_the_past(production: Environment, staging: Environment, preview: Environment) -> None:
    """A green run a few hours apart; some reached production, one broke it and was taken back."""
    factories.configure(production, {"WEB_WORKERS": "6", "CURRENCY": "EUR"})
    for name in ("DATABASE_URL", "SECRET_KEY", "STRIPE_KEY"):
        EnvironmentSecret.objects.create(environment=production, name=name, value="long-enough-value")
    for place, title in enumerate(_TITLES):
        ago = (len(_TITLES) - place) * 7 * HOUR
        run = _finished_run(production.project, title, _AUTHORS[place % 5], red=place == 2)
        pasts.move_run(run, ago, 250 + 37 * (place * place % 5))
        release = releases.release(run)
        if release is not None:
            pasts.move_release(release, ago - 300)
            _deploy_of_the_past(release, place, ago - HOUR, production, staging)
    pasts.move_deploy(factories.make_live(preview, Release.objects.latest("number")), 6 * HOUR, 40)
    web = Host.objects.filter(environment=production)
    pasts.check_hosts(web, MINUTE)
    pasts.check_hosts(web.filter(name="web-4"), 36 * MINUTE, healthy=False, health_detail="answers 503")


def _deploy_of_the_past(
    release: Release, place: int, ago: float, production: Environment, staging: Environment
) -> None:
    if place < 11:
        pasts.move_deploy(factories.make_live(staging, release), ago, 185)
    if place == 9:
        factories.configure(production, {"WEB_WORKERS": "8", "CURRENCY": "EUR", "SLOW_QUERY_MS": "200"})
    if place in (1, 5, 7, 9):
        pasts.move_deploy(factories.make_live(production, release, actor="dana (#3)"), ago - HOUR, 128)
    if place == 8:
        failed = factories.make_deploy(production, release, actor="bob (#2)", why="the fair starts tomorrow")
        factories.finish_deploy(failed, Status.FAILED, "web-1: health check answered 503 for 30 s")
        assert failed.undone_by is not None
        pasts.move_deploy(failed, ago - HOUR, 64)
        pasts.move_deploy(factories.finish_deploy(failed.undone_by), ago - HOUR - 65, 21)
        pasts.quarantine_release(release, ago - HOUR - 64)


def _finished_run(project: Project, title: str, author: str, red: bool = False) -> Run:
    run = factories.make_run(project, spec=SPEC, title=title, author=author, actor=author, payload=_payload(title))
    while run.stages.filter(status=Status.QUEUED).exists():
        stage = run.stages.filter(status=Status.QUEUED).order_by("position")[0]
        status = Status.FAILED if red and stage.name == "unit" else Status.SUCCEEDED
        factories.finish_stage(run, stage.name, status, text=prints.SHORT)
    return run


def _run_under_way(shop: Project) -> Run:
    title = "Make stock reservation safe under retries"
    run = factories.make_run(shop, spec=SPEC, title=title, author="bob", actor="bob", payload=_payload(title))
    for name in ("lint", "build"):
        factories.finish_stage(run, name, text=prints.SHORT)
    attempt = factories.start_stage(run, "unit")
    factories.print_steps(attempt, [prints.TESTS])
    factories.finish_stage(run, "browser", Status.FAILED, text=prints.SHORT)
    pasts.move_run(run, 221, 330)
    return run


def _deploy_under_way(staging: Environment) -> Deploy:
    """The first of three waves is done, the second on its way; another deploy waits behind it."""
    newest = Release.objects.latest("number")
    deploy = deploying.claim_deploy(factories.make_deploy(staging, newest, actor="charlie (#4)").pk, "deploy-1").deploy
    hosts = [Listed(host["name"], host["address"]) for host in staging.inventory["hosts"]]
    rows = {row.host.name: row for row in deploying.freeze(deploy, [hosts[:1], hosts[1:3], hosts[3:]])}
    for row in rows.values():
        row.deploy = deploy
        deploying.note_phase(row, Phase.UPLOADED)
    deploying.append_output(deploy, deploy.log, prints.PLAN, len(prints.PLAN))
    deploying.note_migrated(deploy)
    factories.finish_host(deploy, "stage-1")
    for name, phase in (("stage-2", Phase.HEALTH), ("stage-3", Phase.SWITCHING)):
        deploying.start_host(rows[name])
        _say(deploy, rows[name].log, prints.HOST)
        deploying.note_phase(rows[name], phase)
    factories.make_deploy(staging, Release.objects.get(number=newest.number - 1), actor="erin (#5)")
    pasts.move_running_deploy(deploy, 84)
    return deploy


def _say(deploy: Deploy, log: Log, text: bytes) -> None:
    deploying.append_output(deploy, log, text, len(text))


def _failed(production: Environment) -> Deploy:
    return Deploy.objects.get(environment=production, status=Status.FAILED)


def _red_branch() -> Run:
    """A project whose branch is red since its last run but one; the last of its runs."""
    ledger = factories.make_project("ledger", next_run_number=861)
    for place in range(9):
        run = factories.make_run(ledger, title=_TITLES[-1 - place], author="erin", actor="erin")
        if place > 6:
            factories.finish_stage(run, "build", Status.FAILED, text=prints.TESTS)
        factories.finish_run(run)
        pasts.move_run(run, (11 - place) * 35 * MINUTE, 120 + place * place % 7 * 20)
    return run


def _refused_run(site: Project) -> Run:
    """One whose pipeline file is wrong."""
    run = factories.make_run(site, ref="refs/heads/trunk", spec=None, title="Test on 3.13", author="dana", actor="dana")
    try:
        parse(_BROKEN)
    except SpecError as error:
        told = f".slipway.yml has {len(error.problems)} mistakes"
        lifecycle.reject(run, Status.FAILED, told, [asdict(problem) for problem in error.problems])
    pasts.move_run(run, 12 * MINUTE, 1)
    return run


def _events(shop: Project) -> None:
    """What arrives beside pushes, newest last."""
    pull = {"action": "opened", "number": 88, "pull_request": {"title": "Greet <script>alert(1)</script>"}}
    told = [
        factories.make_event(shop, kind=EventKind.PING, ref="", name="ping", title="", payload={"zen": "Be plain."}),
        factories.make_event(shop, kind=EventKind.DELETION, ref="refs/heads/wip/slots", title="", actor="dana"),
        factories.make_event(
            shop, kind=EventKind.PULL_REQUEST, ref="refs/heads/x", title="Greet", actor="eve", fork=True, payload=pull
        ),
    ]
    for place, event in enumerate(told):
        pasts.move_event(event, (15 - place) * 4 * MINUTE)


def _payload(title: str) -> dict[str, object]:
    commit = {"message": title, "modified": ["orders/reserve.py", "orders/tests/test_reserve.py"]}
    return {"ref": "refs/heads/main", "pusher": {"name": "bob"}, "commits": [commit]}
