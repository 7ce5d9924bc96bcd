"""The four figures of delivery of one environment, week by week."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from pipelines.deploys.models import Environment
from pipelines.deploys.reads import delivery as figures_of
from pipelines.deploys.reads.delivery import Figures
from server.web import fetching, sentences
from server.web.sentences import about

SPANS = {"month": 30, "quarter": 91, "year": 365}  # days
_WEEKS = 13


@dataclass(frozen=True, slots=True)
class Week:
    """A week's figures; `height` is its deploys in per cent of the busiest week's, `bad` of them what failed."""

    start: datetime
    end: datetime
    figures: Figures
    x: float
    width: float
    height: float
    bad: float

    @property
    def y(self) -> float:
        return round(100 - self.height, 1)

    @property
    def bad_y(self) -> float:
        return round(100 - self.bad, 1)


@login_required
def delivery(request: HttpRequest, project: str, name: str) -> HttpResponse:
    found = fetching.environment(request, project, name)
    span = request.GET.get("span", "")
    days = SPANS.get(span, SPANS["month"])
    story, now = figures_of.story(found), timezone.now()
    told = figures_of.figures(story, now - timedelta(days=days), now)
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
        "weeks": _weeks([(*week, figures_of.figures(story, *week)) for week in figures_of.weeks(now, _WEEKS)]),
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


def _weeks(told: Sequence[tuple[datetime, datetime, Figures]]) -> list[Week]:
    most = max((one.changes for _, _, one in told), default=0) or 1
    step = 100 / len(told)
    return [
        Week(
            start=start,
            end=end,
            figures=one,
            x=round(place * step, 2),
            width=round(step * 0.7, 2),
            height=round(100 * one.changes / most, 1),
            bad=round(100 * min(one.failed, one.changes) / most, 1),
        )
        for place, (start, end, one) in enumerate(told)
    ]
