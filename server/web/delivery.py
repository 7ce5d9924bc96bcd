"""The four figures of delivery of one environment, week by week."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from pipelines.deploys.models import Environment
from pipelines.deploys.reads import delivery as figures_of
from pipelines.deploys.reads.delivery import SPANS, Figures, Week
from server import sentences
from server.sentences import about
from server.web import fetching
from server.web.charts import Chart, Series, course


@login_required
def delivery(request: HttpRequest, project: str, name: str) -> HttpResponse:
    found = fetching.environment(request, project, name)
    span = request.GET.get("span", "")
    days = SPANS.get(span, SPANS["month"])
    story, now = figures_of.story(found), timezone.now()
    told = figures_of.figures(story, now - timedelta(days=days), now)
    weeks = figures_of.weekly(story, now)
    page = {
        "environment": found,
        "project": found.project,
        "siblings": _productions(found),
        "span": span if span in SPANS else "month",
        "spans": SPANS,
        "days": days,
        "told": told,
        "title": _title(found, told, days),
        "often": sentences.often(told.deploys, days),
        "charts": charts(weeks),
        "step": "Week from",
        "weeks": weeks,
    }
    return render(request, "delivery.html", page)


def _productions(environment: Environment) -> Sequence[Environment]:
    """Those of the project whose figures count, and the one that is looked at."""
    return [one for one in environment.project.environments.order_by("name") if one.is_production or one == environment]


def _title(environment: Environment, told: Figures, days: int) -> str:
    if not told.changes:
        return f"Nothing was deployed to {environment.name} in {days} days"
    often = sentences.often(told.deploys, days)
    lead = f", {about(told.lead_seconds)} from push to live" if told.lead_seconds is not None else ""
    return f"{environment.name} gets a release {often}{lead}"


def charts(weeks: Sequence[Week]) -> list[Chart]:
    """The four figures, week by week."""
    starts = [week.start for week in weeks]
    told = [week.figures for week in weeks]
    deploys, leads = [one.deploys for one in told], [one.lead_seconds for one in told]
    failed, restored = [one.failed_percent for one in told], [one.restore_seconds for one in told]
    rate = Series("Failed", failed)
    return [
        _chart("deploys", "Deploys a week", course(deploys, "count"), "count", starts, Series("Deploys", deploys)),
        _chart("leads", "Lead time for changes", course(leads, "about"), "about", starts, Series("Median", leads)),
        _chart("failures", "Change failure rate", course(failed, "percent"), "percent", starts, rate),
        _chart("restores", "Time to restore", course(restored, "about"), "about", starts, Series("Median", restored)),
    ]


def _chart(key: str, title: str, summary: str, unit: str, starts: Sequence[datetime], series: Series) -> Chart:
    kind = "bars" if unit in ("count", "percent") else "line"
    return Chart(key, title, summary, unit, kind, starts, [series])
