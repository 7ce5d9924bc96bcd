"""The runners: who is there, what they may be given, what they do; and letting them drain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from pipelines.roster import lifecycle, queries
from pipelines.roster.models import Kind, Machine, Runner
from pipelines.roster.queries import Standing
from server import access, sentences
from server.reads import works
from server.reads.works import Work

MAX_SUBJECTS = 99  # projects that one page watches


@dataclass(frozen=True, slots=True)
class Row:
    """A runner as the page shows it."""

    runner: Runner
    is_there: bool
    drains: bool
    work: Work | None

    @property
    def state(self) -> tuple[str, str]:
        """Glyph and word."""
        if not self.is_there:
            return "errored", "gone"
        if self.drains:
            return ("blocked", "draining") if self.work else ("blocked", "drained")
        return ("running", "works") if self.work else ("succeeded", "free")


@dataclass(frozen=True, slots=True)
class Host:
    """A machine with its runners; `machine` while all of it drains."""

    name: str
    rows: Sequence[Row]
    machine: Machine | None

    @property
    def places(self) -> Sequence[bool]:
        """Of each place for stages, whether it is taken; the taken ones first. One that has drained is none."""
        there = [row for row in self.rows if row.is_there and row.runner.kind == Kind.STAGE]
        return sorted((row.work is not None for row in there if row.work or not row.drains), reverse=True)

    @property
    def taken(self) -> int:
        return sum(self.places)


@login_required
def runners(request: HttpRequest) -> HttpResponse:
    hosts = _hosts(request)
    page = {
        "title": _title(hosts),
        "hosts": hosts,
        "may_drain": access.is_operator(request.user),
        "why_not": "to drain a runner takes an operator",
        "subjects": _subjects(request),
    }
    return render(request, "runners.html", page)


def _subjects(request: HttpRequest) -> str:
    """Who comes, goes and drains; and what begins and ends in the projects that the person sees."""
    projects = access.visible_projects(request.user).order_by("-pk").values_list("pk", flat=True)[:MAX_SUBJECTS]
    return " ".join(["runners:0", *(f"project:{pk}" for pk in projects)])


@login_required
@require_POST
def drain(request: HttpRequest) -> HttpResponse:
    """`who` is a host or a runner; `act` is drain, leave (and end afterwards) or undo."""
    if not access.is_operator(request.user):
        raise PermissionDenied("to drain a runner takes an operator")
    who, act = request.POST.get("who", "")[:200], request.POST.get("act", "")
    actor = access.actor(request.user)
    try:
        if act == "undo":
            lifecycle.undrain(who, actor)
            messages.success(request, f"{who} works again.")
        else:
            lifecycle.drain(who, actor, leave=act == "leave")
            ends = " and then ends" if act == "leave" else ""
            messages.success(request, f"{who} finishes what it does{ends}, and takes nothing new.")
    except lifecycle.NobodyThere as error:
        messages.error(request, f"Nothing was changed: {error}.")
    return redirect("runners")


def _hosts(request: HttpRequest) -> list[Host]:
    everyone = queries.everyone()
    visible = set(access.visible_projects(request.user).values_list("pk", flat=True))
    doing = works.of_runners([one.runner.name for one in everyone], visible)
    machines = {machine.host: machine for machine in queries.draining_hosts()}
    found = {
        name: Host(name, [_row(one, doing) for one in rows], machines.get(name))
        for name, rows in groupby(everyone, key=lambda one: one.runner.host)
    }
    empty = {name: Host(name, [], machine) for name, machine in machines.items() if name not in found}
    return [host for _, host in sorted((found | empty).items())]


def _row(one: Standing, doing: Mapping[str, Work]) -> Row:
    return Row(one.runner, one.is_there, one.drains, doing.get(one.runner.name))


def _title(hosts: Sequence[Host]) -> str:
    places, taken = sum(len(host.places) for host in hosts), sum(host.taken for host in hosts)
    if not places:
        return "No runner takes stages"
    return f"{taken} of {sentences.counted(places, 'place')} for stages taken"
