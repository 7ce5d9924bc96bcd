"""What the charts are drawn from: how a project's runs went, and how an environment is delivered to."""

from datetime import datetime, timedelta
from typing import Literal

from django.http import HttpRequest
from django.utils import timezone
from ninja import Field, Query, Router, Schema

from pipelines.deploys.reads import delivery as story
from pipelines.deploys.reads.delivery import Figures
from pipelines.runs import asking, trends
from pipelines.runs.trends import Stretch
from server import fetching
from server.api.callers import caller
from server.api.shapes.words import Ref

router = Router(tags=["Figures"])
Span = Literal["month", "quarter", "year"]
EVERY = "*"  # every branch and tag


class WantedTrends(Schema):
    """A month is told by days, a longer span by weeks."""

    span: Span = "month"
    ref: Ref = Field("", description="In full, or the name of a branch; empty: the default branch, *: every one")


class WantedDelivery(Schema):
    span: Span = "month"


class StretchShape(Schema):
    """Runs that were asked for between `start` and `end`. `ended` did so on their own account; `took` are seconds of
    those that succeeded, `waited` seconds until the first stage was at work: each the median, and what nine of ten do
    not exceed. What cannot be said, for want of any run, is null."""

    start: datetime
    end: datetime
    ended: int
    succeeded: int
    passed_percent: int | None
    took: float | None
    took_most: float | None
    waited: float | None
    waited_most: float | None


class TrendsShape(Schema):
    """The oldest stretch first. What was asked for before `back_to` was not read; null: all was."""

    ref: str
    whole: StretchShape
    stretches: list[StretchShape]
    back_to: datetime | None


class FiguresShape(Schema):
    """`changes` are deploys that changed something, `deploys` those of them that ended well, `failed` those that
    failed or were rolled back. `lead_seconds` and `restore_seconds` are medians; `open_since`: a failure that is not
    over."""

    start: datetime
    end: datetime
    changes: int
    deploys: int
    failed: int
    failed_percent: int | None
    lead_seconds: float | None
    restore_seconds: float | None
    open_since: datetime | None


class DeliveryShape(Schema):
    """The figures of the whole span, and of each of the last thirteen weeks, the newest last."""

    whole: FiguresShape
    weeks: list[FiguresShape]


@router.get("/projects/{slug:project}/trends", response=TrendsShape)
def project_trends(request: HttpRequest, project: str, wanted: Query[WantedTrends]) -> TrendsShape:
    """How long a project's runs took and waited, and how many passed."""
    found = fetching.project(caller(request), project)
    ref = EVERY if wanted.ref == EVERY else asking.full_ref(wanted.ref) if wanted.ref else found.default_ref
    look = trends.last(found, "" if ref == EVERY else ref, wanted.span, timezone.now())
    told = [_stretch(one) for one in look.stretches]
    return TrendsShape(ref=ref, whole=_stretch(look.whole), stretches=told, back_to=look.back_to)


@router.get("/projects/{slug:project}/environments/{slug:environment}/delivery", response=DeliveryShape)
def delivery(request: HttpRequest, project: str, environment: str, wanted: Query[WantedDelivery]) -> DeliveryShape:
    """How often and how quickly an environment gets what was pushed, how often that fails, and how soon it is well."""
    found, now = fetching.environment(caller(request), project, environment), timezone.now()
    since, went = now - timedelta(days=story.SPANS[wanted.span]), story.story(found)
    whole = _figures(since, now, story.figures(went, since, now))
    weeks = [_figures(week.start, week.end, week.figures) for week in story.weekly(went, now)]
    return DeliveryShape(whole=whole, weeks=weeks)


def _stretch(one: Stretch) -> StretchShape:
    return StretchShape(
        start=one.start,
        end=one.end,
        ended=one.ended,
        succeeded=one.succeeded,
        passed_percent=one.passed_percent,
        took=one.took,
        took_most=one.took_most,
        waited=one.waited,
        waited_most=one.waited_most,
    )


def _figures(start: datetime, end: datetime, told: Figures) -> FiguresShape:
    return FiguresShape(
        start=start,
        end=end,
        changes=told.changes,
        deploys=told.deploys,
        failed=told.failed,
        failed_percent=told.failed_percent,
        lead_seconds=told.lead_seconds,
        restore_seconds=told.restore_seconds,
        open_since=told.open_since,
    )
