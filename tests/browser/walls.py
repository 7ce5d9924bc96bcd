"""A wall with something of everything on it: what is broken, under way, waiting, fine and live."""

from django.contrib.auth.models import User

from pipelines.deploys.models import Environment, Host
from pipelines.projects.models import Project
from pipelines.states.status import Status
from tests import factories
from tests.browser import pasts

MINUTE, HOUR = 60, 3600
_FINE = ("mobile-api", "mailer", "docs", "gateway", "billing-exports")
_RED = (
    "search",
    "warehouse-sync",
    "invoices",
    "loyalty",
    "recommendations",
    "fraud-scores",
    "returns",
    "labels",
    "tax",
)


def build(broken: int = 1) -> User:
    """`broken`: how many projects are red beside what is broken in production. Returns an operator."""
    operator = factories.make_operator("alice")
    shop = _shop()
    for place, name in enumerate(_FINE):
        project = factories.make_project(name)
        pasts.move_run(factories.make_green_run(project), (4 + place * place * 50) * MINUTE, 200)
        production = factories.make_environment(project, is_production=True)
        pasts.move_deploy(factories.make_live(production), (place + 1) * 13 * HOUR, 60)
    for place, name in enumerate(_RED[:broken]):
        _red(factories.make_project(name), place)
    _under_way(shop)
    return operator


def _shop() -> Project:
    shop = factories.make_project("shop", next_run_number=1280)
    production = factories.make_environment(shop, is_production=True, hosts=["web-1", "web-2", "web-3", "web-4"])
    pasts.move_deploy(factories.make_live(production), 4 * HOUR, 120)
    sick = Host.objects.filter(environment=production, name="web-4")
    pasts.check_hosts(sick, 36 * MINUTE, healthy=False, health_detail="answers 503")
    return shop


def _red(project: Project, place: int) -> None:
    pasts.move_run(factories.make_green_run(project, author="erin"), 5 * HOUR, 240)
    run = factories.make_red_run(project, author="bob", title="Round half to even in VAT totals")
    pasts.move_run(run, (41 + 7 * place) * MINUTE, 240)


def _under_way(shop: Project) -> None:
    for seconds in (221, 58):
        run = factories.make_run(shop)
        factories.start_stage(run, "build")
        pasts.move_run(run, seconds, 320)
    staging: Environment = factories.make_environment(shop, "staging", [f"stage-{place}" for place in range(1, 9)])
    pasts.move_deploy(factories.make_live(staging), 3 * HOUR, 185)
    deploy = factories.make_deploy(staging)
    claimed = factories.begin_deploy(deploy)
    factories.finish_host(claimed, "stage-1", Status.SUCCEEDED)
    pasts.move_running_deploy(deploy, 72)
    gate = "image: busybox\nstages:\n  gate: {approval: {}, steps: [x]}\n"
    pasts.move_run(factories.make_run(shop, spec=gate), 6 * MINUTE, 0)
    factories.make_run(factories.make_project("infra"), spec=None)
