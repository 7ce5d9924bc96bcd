"""How a project's runs went: durations, pass rate, waiting, over a month, a quarter or a year."""

from collections.abc import Sequence
from datetime import datetime

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from pipelines.projects.models import Project
from pipelines.runs import queries as runs
from pipelines.runs import trends as reads
from pipelines.runs.trends import SPANS, Stretch
from server import sentences
from server.durations import clock
from server.web import fetching
from server.web.charts import Chart, Number, Series, course

_EVERY = "*"  # every branch and tag


@login_required
def trends(request: HttpRequest, project: str) -> HttpResponse:
    found = fetching.project(request, project)
    span = request.GET.get("span", "")
    span = span if span in SPANS else "month"
    ref = request.GET.get("ref", "").replace("\0", "") or found.default_ref
    days, step = SPANS[span]
    look = reads.last(found, "" if ref == _EVERY else ref, span, timezone.now())
    page = {
        "project": found,
        "span": span,
        "spans": SPANS,
        "days": days,
        "step": "Day" if step == 1 else "Week from",
        "ref": ref,
        "refs": runs.refs(found),
        "whole": look.whole,
        "back_to": look.back_to,
        "read": reads.READ,
        "title": _title(found, ref, look.whole, days),
        "charts": charts(look.stretches),
        "places": [place for place in found.environments.order_by("name") if place.is_production],
    }
    return render(request, "trends.html", page)


def _title(project: Project, ref: str, whole: Stretch, days: int) -> str:
    where = "every branch" if ref == _EVERY else ref.removeprefix("refs/heads/").removeprefix("refs/tags/")
    if not whole.ended:
        return f"Nothing ended on {where} in {days} days"
    took = f", a green one takes {clock(whole.took)}" if whole.took is not None else ""
    return f"{whole.passed_percent} % of {sentences.counted(whole.ended, 'run')} on {where} passed{took}"


def charts(told: Sequence[Stretch]) -> list[Chart]:
    passed = [one.passed_percent for one in told]
    ended = [Series("Ended", [one.ended for one in told]), Series("Of them passed", [one.succeeded for one in told])]
    took = [one.took for one in told], [one.took_most for one in told]
    waited = [one.waited for one in told], [one.waited_most for one in told]
    starts = [one.start for one in told]
    passes, said = [Series("Passed", passed)], course(passed, "percent")
    return [
        _times("durations", "How long a green run takes", "clock", starts, *took),
        Chart("passed", "How many passed", said, "percent", "line", starts, passes),
        _times("waited", "How long until the first stage works", "about", starts, *waited),
        Chart("ended", "How many ended", _count(told), "count", "bars", starts, ended),
    ]


def _times(
    key: str, title: str, unit: str, starts: Sequence[datetime], usual: Sequence[Number], most: Sequence[Number]
) -> Chart:
    series = [Series("Median", usual), Series("Nine of ten at most", most)]
    return Chart(key, title, course(usual, unit), unit, "line", starts, series)


def _count(told: Sequence[Stretch]) -> str:
    return f"{sentences.counted(sum(one.ended for one in told), 'run')}, {_bad(told)}"


def _bad(told: Sequence[Stretch]) -> str:
    bad = sum(one.ended - one.succeeded for one in told)
    return f"{bad} of them did not pass" if bad else "all of them passed"
