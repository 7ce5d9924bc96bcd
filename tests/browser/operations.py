"""Environments at work: a queue with its reasons, locks and freezes, deploys that bake, ask, or broke off halfway."""

from datetime import timedelta

from django.contrib.auth.models import User
from django.utils import timezone

from pipelines.audit.record import seal
from pipelines.deploys import lifecycle as deploying
from pipelines.deploys import locks, requests, waits
from pipelines.deploys.lifecycle import Listed
from pipelines.deploys.models import Deploy, Environment, Freeze, Host, LockLevel, Release, Waits
from pipelines.probes import lifecycle as probes
from pipelines.probes.models import Kind
from pipelines.projects.models import Project
from pipelines.states.status import Status
from tests import factories
from tests.browser import pasts, prints

HOUR, DAY = 3600, 86400
SPEC = """\
image: python:3.12
stages:
  build:
    steps: [python -m build]
    artifacts: [dist/]
deploy:
  artifact: dist/
  path: /srv/depot
  migrate: {run: ./manage.py migrate, irreversible: true}
  activate: sudo systemctl restart depot
  health: {url: "http://127.0.0.1:8000/healthz", timeout: 30s}
  strategy: {waves: [1, 25%, rest], bake: 30s}
"""
_TITLES = ("Take parcels in", "Weigh them", "Print labels", "Find lost ones", "Show where they are", "Count shelves")
_HOSTS = [f"web-{number}" for number in range(1, 7)] + ["work-1", "work-2"]


def build(operator: User) -> dict[str, str]:
    """Name of each page → its path."""
    depot = factories.make_project("depot", code_host_name="example/depot", next_run_number=80)
    production = _environment(depot, "production", 7, is_production=True)
    canary, edge, west = (_environment(depot, name, 11 + n) for n, name in enumerate(("canary", "edge", "west")))
    released = [_release(depot, title, place) for place, title in enumerate(_TITLES)]
    _live(production, released[:4])
    _ail(production)
    for place in (canary, edge, west):
        factories.make_live(place, released[3], actor="dana (#4)")
    _protect(production, operator)
    asked = requests.request(production, released[4], "charlie (#9)", "the fair begins on Friday")
    requests.request(production, released[5], "erin (#8)")
    bakes, broke, misses = _bakes(canary, released[4]), _broke(edge, released[4]), _misses(west, released[4])
    seal()
    probe = probes.claim(probes.ask(Kind.AUDIT, 0, "alice (#1)").pk, "control-1")
    probes.answer(probe, {"held": 12, "fault": ""})
    pages = "/projects/depot"
    return {
        "board": "/environments/",
        "guarded environment": f"{pages}/environments/production/",
        "preview": f"{pages}/environments/production/releases/{released[5].number}/",
        "preview back": f"{pages}/environments/production/releases/{released[1].number}/",
        "delivery": f"{pages}/environments/production/delivery/",
        "asked deploy": f"{pages}/deploys/{asked.number}/",
        "baking deploy": f"{pages}/deploys/{bakes.number}/",
        "broken deploy": f"{pages}/deploys/{broke.number}/",
        "deploy without hosts": f"{pages}/deploys/{misses.number}/",
        "audit": "/audit/",
    }


def _environment(project: Project, name: str, net: int, **fields: object) -> Environment:
    listed = [{"name": host, "address": f"10.0.{net}.{place}"} for place, host in enumerate(_HOSTS, 11)]
    return factories.make_environment(project, name, hosts=(), **{"inventory": {"hosts": listed}, **fields})


def _release(project: Project, title: str, place: int) -> Release:
    """Of a push with two commits."""
    sha = factories.make_sha(title)
    commits = [
        {"id": factories.make_sha(f"first of {title}"), "message": f"Test: {title.lower()}", "author": {"name": "bob"}},
        {"id": sha, "message": f"{title}\n\nAs asked.", "author": {"username": "dana"}},
    ]
    payload = {"ref": "refs/heads/main", "commits": commits}
    release = factories.make_release(
        project, spec=SPEC, sha=sha, title=title, author="dana", actor="dana", payload=payload
    )
    pasts.move_run(release.run, (len(_TITLES) - place) * 9 * HOUR, 240)
    pasts.move_release(release, (len(_TITLES) - place) * 9 * HOUR - 240)
    return release


def _live(production: Environment, released: list[Release]) -> None:
    for place, release in enumerate(released):
        factories.configure(production, {"WORKERS": str(4 + 2 * place), "CURRENCY": "EUR"}, "dana (#4)")
        done = factories.make_live(production, release, actor="dana (#4)")
        pasts.move_deploy(done, (len(released) - place) * 7 * HOUR, 170)
    factories.configure(production, {"WORKERS": "12", "CURRENCY": "EUR", "SLOW_MS": "200"}, "dana (#4)")


def _ail(production: Environment) -> None:
    hosts = Host.objects.filter(environment=production)
    pasts.check_hosts(hosts, 30, answer_ms=41)
    pasts.check_hosts(hosts.filter(name="web-4"), 36 * 60, healthy=False, health_detail="answers 503")
    drift = [{"what": "/etc/depot.conf", "detail": "changed on the host"}]
    hosts.filter(name="work-2").update(drift=drift, inspected_at=timezone.now())


def _protect(production: Environment, operator: User) -> None:
    Environment.objects.filter(pk=production.pk).update(approvals=1)
    production.refresh_from_db()
    Freeze.objects.create(
        environment=production,
        name="Weekend",
        timezone="Europe/Berlin",
        weekly_from="sat 22:00",
        weekly_until="mon 06:00",
    )
    until = timezone.now() + timedelta(hours=3)
    said = "the old printers are being replaced"
    locks.take(production, operator, "alice (#1)", said, level=LockLevel.WARN, expires_at=until)


def _begun(environment: Environment, release: Release) -> Deploy:
    asked = factories.make_deploy(environment, release, actor="charlie (#9)")
    deploy = deploying.claim_deploy(asked.pk, "deploy-1").deploy
    hosts = [Listed(host["name"], host["address"]) for host in environment.inventory["hosts"]]
    deploying.freeze(deploy, [hosts[:1], hosts[1:3], hosts[3:]])
    deploying.append_output(deploy, deploy.log, prints.PLAN, len(prints.PLAN))
    return deploy


def _bakes(environment: Environment, release: Release) -> Deploy:
    deploy = _begun(environment, release)
    factories.finish_host(deploy, "web-1")
    pasts.move_running_deploy(deploy, 60)
    until = timezone.now() + timedelta(hours=1)  # else it has gone on before somebody looks
    waits.wait(deploy, Waits.BAKE, "wave 1 has to stay healthy for 30 s", until)
    return deploy


def _broke(environment: Environment, release: Release) -> Deploy:
    deploy = _begun(environment, release)
    for name in ("web-1", "web-2", "web-3"):
        factories.finish_host(deploy, name)
    factories.finish_host(deploy, "web-4", Status.FAILED, "health check answered 503 for 30 s")
    factories.finish_host(deploy, "web-5", Status.ERRORED, "the connection broke while it was switched")
    pasts.move_running_deploy(deploy, 300)
    waits.wait(deploy, Waits.BREACH, "2 hosts failed, none may")
    return deploy


def _misses(environment: Environment, release: Release) -> Deploy:
    asked = factories.make_deploy(environment, release, actor="charlie (#9)")
    deploy = deploying.claim_deploy(asked.pk, "deploy-1").deploy
    waits.put_back(
        deploy, Waits.HOSTS, "the inventory lists 3 hosts, and not 5 of the 8 of before: are these all?", plan="a" * 64
    )
    return deploy
