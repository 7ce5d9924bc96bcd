"""An environment's page: what is live, how to undo it, what waits, what keeps deploys away, what could come next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from pipelines.audit.actors import number_of
from pipelines.deploys import approvals, followups, locks, queue, rollbacks
from pipelines.deploys.models import Configuration, Deploy, Environment, Freeze, Inspection, Waits
from pipelines.deploys.protection import freezes
from pipelines.deploys.queue import Place
from pipelines.deploys.reads import bands, likeness, queries, ways
from pipelines.deploys.reads.queries import Change, Stand
from pipelines.spec.cron import zone_named
from pipelines.spec.installation import StrategySpec
from server import access, sentences
from server.access import Visitor
from server.web import codehosts, environment_acts, fetching, permissions, pictures
from server.web.drawings import lanes
from server.web.drawings.lanes import Lane

NAMED = 4  # hosts that are told of above the fold
VERSIONS = 6  # of the configuration


@dataclass(frozen=True, slots=True)
class HostRow:
    """A host with its last day."""

    stand: Stand
    lane: Lane


@dataclass(frozen=True, slots=True)
class Waiting:
    """A place in the queue.

    `why_not`: why this person's approval of it would not count; `plan`: the hash of what it would be given to.
    """

    place: Place
    asks: bool
    why_not: str
    plan: str
    can_go_first: bool


@dataclass(frozen=True, slots=True)
class Version:
    """A version of the plain values, and how it differs from the one before it."""

    row: Configuration
    changes: Sequence[Change]
    is_live: bool


@login_required
def environment(request: HttpRequest, project: str, name: str) -> HttpResponse:
    found = fetching.environment(request, project, name)
    stands, waiting, live = queries.hosts(found), queries.waiting(found), queries.live_deploy(found)
    shelf = queries.shelves([found.project], 13)[found.project_id]
    under_way = rollbacks.under_way(waiting)
    way = ways.way_back(found, fetching.whole_number(request.GET.get("to")), access.actor(request.user), live=live)
    page = {
        "environment": found,
        "project": found.project,
        "title": _title(found, stands, waiting),
        "siblings": shelf.environments,
        "live": live,
        "ruler": pictures.ruler(shelf, width=606, pitch=46) if shelf.releases else None,
        "way": way,
        "comparison": codehosts.comparison(found.project, way.commits) if way else "",
        "way_strategy": sentences.strategy(way.strategy) if way else "",
        "under_way": under_way,
        "stop_for": followups.goes_back_to(under_way) if under_way else None,
        "history": queries.history(found),
        "deploys": queries.deploys_to(found),
        "lock_seconds": environment_acts.LOCK_SECONDS,
        "not_allowed": permissions.of(request.user, found.project),
        "subjects": f"environment:{found.pk} project:{found.project_id}",
        **_hosts(found, stands),
        **_protection(found, request.user),
        **_rules(found, live.configuration if live else None),
        "secrets": way.secrets if way else found.secrets.count(),
    }
    return render(request, "environment.html", page)


def _title(environment: Environment, hosts: Sequence[Stand], waiting: Sequence[Deploy]) -> str:
    live = environment.current.number if environment.current else None
    unhealthy = sum(stand.host.healthy is False for stand in hosts)
    drifted = sum(bool(stand.host.drift) for stand in hosts)
    running = [f"{deploy.kind} {deploy.number}" for deploy in waiting if deploy.started_at]
    return sentences.environment(environment.name, live, unhealthy, "".join(running[:1]), drifted)


def _hosts(environment: Environment, stands: Sequence[Stand]) -> Mapping[str, Any]:
    days = bands.of_environment(environment, [stand.host for stand in stands])
    tones = lanes.tones(list(days.values()))
    ailing = [stand for stand in stands if stand.host.healthy is False]
    drifted = [stand for stand in stands if stand.host.drift and stand.host.healthy is not False]
    return {
        "hosts": [HostRow(one, lanes.draw(one.host.name, days[one.host.pk], tones)) for one in stands],
        "tones": lanes.legend(tones),
        "axis": lanes.axis(timezone.now()),
        "healthy": sum(stand.host.healthy is True for stand in stands),
        "ailing": ailing[:NAMED],
        "drifted": drifted[:NAMED],
        "odd": likeness.odd_ones(stand.host for stand in stands),
        "unseen": len(ailing[NAMED:]) + len(drifted[NAMED:]),
        "inspection_error": Inspection.objects.filter(environment=environment).values_list("error", flat=True).first(),
    }


def _protection(environment: Environment, person: Visitor) -> Mapping[str, Any]:
    frozen, coming = freezes.around(environment, timezone.now())
    return {
        "places": [_place(one, person) for one in queue.places(environment)],
        "locks": locks.held(environment),
        "is_own_pause": number_of(environment.paused_by) == person.pk,
        "frozen": _on_clocks(frozen),
        "coming": _on_clocks(coming[:3]),
    }


def _on_clocks(found: Sequence[tuple[Freeze, datetime]]) -> list[tuple[Freeze, datetime]]:
    """Each moment as the clocks of its freeze show it."""
    return [(freeze, at.astimezone(zone_named(freeze.timezone))) for freeze, at in found]


def _place(place: Place, person: Visitor) -> Waiting:
    deploy = place.deploy
    asks = deploy.started_at is None and deploy.waits_for == Waits.APPROVAL
    return Waiting(
        place=place,
        asks=asks,
        why_not=permissions.word(person, deploy) if asks and isinstance(person, User) else "",
        plan=approvals.plan_of(deploy) if asks else "",
        can_go_first=deploy.started_at is None and place.position > 1,
    )


def _rules(environment: Environment, live: Configuration | None) -> Mapping[str, Any]:
    rows = list(environment.configurations.order_by("-version")[: VERSIONS + 1])
    before = [*rows[1:], None][: len(rows)]
    versions = [
        Version(row, queries.changes(former.values if former else {}, row.values), row == live)
        for row, former in zip(rows, before, strict=True)
    ]
    own = StrategySpec.from_json(environment.strategy) if environment.strategy else None
    return {
        "versions": versions[:VERSIONS],
        "alarms": list(environment.alarms.order_by("name")),
        "rules": {"strategy": sentences.strategy(own) if own else "", "failures": _failures(environment)},
    }


def _failures(environment: Environment) -> str:
    failed = "no failure" if environment.max_failures in ("0", "0%") else f"{environment.max_failures} may fail"
    away = environment.max_unreachable
    return f"{failed} allowed" if away in ("0", "0%") else f"{failed}, {away} may be out of reach"
