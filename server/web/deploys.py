"""A deploy's page: waves, hosts in their phases, one host's log, the plan, and what a person may do now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from pipelines.deploys import approvals, followups, requests, rollbacks, waits
from pipelines.deploys.models import Deploy, DeployApproval, Environment, HostDeploy, Release, Waits
from pipelines.deploys.reads import commits, differences, queries, ways
from pipelines.spec.installation import StrategySpec
from pipelines.states.status import BAD, Status
from server import durations, sentences
from server.access import Person
from server.web import codehosts, fetching, logs, permissions, waves

_INTEREST = (*BAD, Status.RUNNING)  # whose log a person most likely wants
_GATED = (Waits.PAUSED, Waits.LOCK, Waits.FREEZE, Waits.BEFORE, Waits.MIGRATION, Waits.APPROVAL)
_GO_ON = {
    Waits.PAUSE: "Go on",
    Waits.BAKE: "Go on now",
    Waits.WATCH: "Take it as good now",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person can do about a deploy at this moment; each word is a button's, empty where there is none.

    `approve` is why this person's word is not taken. `passes`: an override would let it begin. `forward` names the
    hosts that finishing forward would go to, `good` says that there are none left; `stop_for` is the release
    that stopping it now goes back to.
    """

    pausable: bool
    go_on: str
    approves: bool
    approve: str
    accepts: bool
    passes: bool
    forward: Sequence[str]
    good: bool
    back: bool
    stop_for: Release | None


@login_required
def deploy(request: HttpRequest, project: str, number: int) -> HttpResponse:
    found = fetching.deploy(request, project, number)
    rows = list(found.hosts.all())
    row = _chosen(rows, request.GET.get("host", ""))
    strategy = requests.strategy(found)
    asked = _asked(found, request.user)
    page = {
        "deploy": found,
        "environment": found.environment,
        "project": found.environment.project,
        "sentence": _sentence(found, rows),
        "standing": standing(found, rows),
        "seconds": durations.so_far(found),
        "usual_seconds": queries.usual_seconds(found.environment),
        "waves": waves.of(found, rows, strategy),
        "columns": [name for name, _ in waves.CELLS],
        "failed": sum(one.status in BAD and not one.unreachable for one in rows),
        "unreachable": sum(one.unreachable for one in rows),
        "row": row,
        "shown": logs.shown(row.log, row.host.name) if row else logs.shown(found.log, "the deploy"),
        "plan": _plan(found, strategy),
        **_compared(found, fetching.whole_number(request.GET.get("against"))),
        "asked": asked,
        "stretch": waits.stretch_of(found),
        "way": None if found.waits_for == Waits.BREACH else _way_back(found),
        "not_allowed": permissions.of(request.user, found.environment.project),
        "subjects": f"deploy:{found.pk} environment:{found.environment_id}",
    }
    return render(request, "deploy.html", page)


def _sentence(deploy: Deploy, rows: Sequence[HostDeploy]) -> str:
    """How far it is; of one that waits, what for; of one that broke off, who runs what."""
    if deploy.status == Status.BLOCKED and deploy.waits_for != Waits.BREACH:
        waits_for = f"waits for {Waits(deploy.waits_for).label}" if deploy.waits_for else "waits"
        return f"{sentences.hosts([row.status for row in rows])}, {waits_for}" if rows else waits_for
    broke = deploy.waits_for == Waits.BREACH or deploy.status in (*BAD, Status.CANCELLED)
    if broke and any(row.switched for row in rows):
        return standing(deploy, rows)
    return sentences.hosts([row.status for row in rows])


def standing(deploy: Deploy, rows: Sequence[HostDeploy]) -> str:
    """How many hosts run which release, and of how many it is not known: 7 on 42, 3 on 41, 1 unknown."""
    unknown = sum(row.switched and row.status in (Status.ERRORED, Status.RUNNING) for row in rows)
    over = sum(row.switched for row in rows) - unknown
    left = len(rows) - over - unknown
    old = f"on {deploy.replaces.number}" if deploy.replaces else "as they were"
    told = ((over, f"on {deploy.release.number}"), (left, old), (unknown, "unknown"))
    return ", ".join(f"{number} {word}" for number, word in told if number)


def _asked(deploy: Deploy, person: Person) -> Asked:
    blocked = deploy.status == Status.BLOCKED
    follows = deploy.started_at is not None and not followups.why_not(deploy)
    is_back = deploy.started_at is not None and not followups.why_not(deploy, back=True)
    is_back = is_back and deploy.environment.current is not None and any(row.switched for row in deploy.hosts.all())
    approves = blocked and deploy.waits_for == Waits.APPROVAL
    return Asked(
        pausable=deploy.status == Status.RUNNING and deploy.pause_requested_at is None,
        go_on=_GO_ON.get(Waits(deploy.waits_for), "") if blocked and deploy.waits_for else "",
        approves=approves,
        approve=permissions.word(person, deploy) if approves and isinstance(person, User) else "",
        accepts=blocked and deploy.waits_for == Waits.HOSTS,
        passes=blocked and deploy.started_at is None and deploy.waits_for in _GATED,
        forward=[row.host.name for row in followups.not_done(deploy)] if follows else [],
        good=followups.takes_as_good(deploy),
        stop_for=None if is_back else followups.goes_back_to(deploy),
        back=is_back,
    )


def _way_back(deploy: Deploy) -> ways.Way | None:
    """Offered where it is looked for: on the deploy that brought what is live, and on one that broke off halfway."""
    if not (deploy.is_final or rollbacks.is_over(deploy)) or rollbacks.under_way(queries.waiting(deploy.environment)):
        return None
    way = ways.way_back(deploy.environment)
    is_live = deploy.status == Status.SUCCEEDED and deploy.environment.current_id == deploy.release_id
    return way if way and (is_live or deploy.pk in {row.deploy_id for row in way.strays}) else None


def _plan(deploy: Deploy, strategy: StrategySpec) -> Mapping[str, object]:
    """What the deploy brings, who agreed, and how carefully it goes."""
    brings = commits.between(deploy.replaces, deploy.release) if deploy.replaces != deploy.release else None
    return {
        "brings": brings,
        "backwards": bool(deploy.replaces and deploy.replaces.number > deploy.release.number),
        "comparison": codehosts.comparison(deploy.environment.project, brings),
        "strategy": sentences.strategy(strategy),
        "caution": requests.caution(deploy),
        "migrates": deploy.release.deploy_spec.get("migrate"),
        "irreversible": deploy.release.deploy_spec.get("irreversible"),
        "words": _words(deploy),
        "now": approvals.plan_of(deploy) if deploy.waits_for == Waits.APPROVAL else deploy.plan,
        "watches": _watches(deploy.environment),
    }


def _compared(deploy: Deploy, number: int | None) -> Mapping[str, object]:
    """How its configuration differs from that of another deploy there: the one before it, or the one asked for."""
    others = [one for one in queries.deploys_to(deploy.environment) if one != deploy]
    asked = next((one for one in others if one.number == number), None)
    against = asked or queries.good_before(deploy)
    return {
        "against": against,
        "difference": differences.between(against, deploy) if against else None,
        "values": [] if against else queries.changes({}, deploy.configuration.values),
        "others": others,
    }


def _words(deploy: Deploy) -> Sequence[DeployApproval]:
    """Who said what on it, in order."""
    return list(deploy.approvals.order_by("pk"))


def _watches(environment: Environment) -> str:
    return sentences.about(environment.watch_seconds) if environment.watch_seconds else ""


def _chosen(rows: Sequence[HostDeploy], name: str) -> HostDeploy | None:
    """The host asked for; else none when the deploy's own log is asked for; else what runs, what broke, the first."""
    if name == "-" or not rows:
        return None
    wanted = [row for row in rows if row.host.name == name]
    interesting = [row for status in _INTEREST for row in rows if row.status == status]
    return (wanted or interesting or list(rows))[0]
