"""The four figures of delivery, from the ledger: how often, how quickly, how well, and how soon it is well again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import NamedTuple

from django.db.models import Exists, OuterRef

from pipelines.deploys import rules
from pipelines.deploys.models import Deploy, DeployKind, Environment, HostDeploy, Release
from pipelines.states.status import BAD, Status

SPANS = {"month": 30, "quarter": 91, "year": 365}  # days
WEEKS = 13
READ = 5000  # deploys of one environment, the newest
_SWITCHED = Exists(HostDeploy.objects.filter(deploy=OuterRef("pk"), switched=True))
_ROW = ("status", "kind", "release__number", "replaces__number", "finished_at", "touched")


class _Row(NamedTuple):
    """A deploy that has ended, as it is read: of the wide rows little is needed."""

    status: str
    kind: str
    number: int
    replaced: int | None
    ended_at: datetime
    touched: bool


@dataclass(frozen=True, slots=True)
class Went:
    """A deploy that has ended. `number` and `replaced` are releases; `touched`: some host was switched.

    `pushed_at` are the moments at which the changes that it brought were pushed; empty when it brought none.
    """

    kind: str
    number: int
    replaced: int | None
    good: bool
    touched: bool
    ended_at: datetime
    pushed_at: Sequence[datetime] = ()


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one stretch of time. What cannot be said, for want of any case, is None.

    `changes`: deploys that changed something; `deploys`: those of them that ended well. `lead_seconds`: median over
    the pushes that went live. `failed`: changes that failed or were rolled back. `restore_seconds`: median over the
    failures that are over; `open_since`: the failure that is not.
    """

    changes: int
    deploys: int
    lead_seconds: float | None
    failed: int
    restore_seconds: float | None
    open_since: datetime | None = None

    @property
    def failed_percent(self) -> int | None:
        return round(100 * self.failed / self.changes) if self.changes else None


@dataclass(frozen=True, slots=True)
class Week:
    """A week's figures."""

    start: datetime
    end: datetime
    figures: Figures


@dataclass(frozen=True, slots=True)
class Failure:
    """A change that failed or was rolled back; `restored_at` is None while nothing has ended well since."""

    at: datetime
    restored_at: datetime | None


def figures(story: Sequence[Went], since: datetime, until: datetime) -> Figures:
    """Pure: the figures of `since` ≤ end < `until`; `story` is the environment's whole ledger in order of time, as a
    failure is often restored outside the stretch."""
    inside = [one for one in story if since <= one.ended_at < until and is_change(one)]
    good = [one for one in inside if one.good]
    leads = [(one.ended_at - at).total_seconds() for one in good for at in one.pushed_at]
    broke = [failure for failure in failures(story) if since <= failure.at < until]
    times = [(one.restored_at - one.at).total_seconds() for one in broke if one.restored_at]
    return Figures(
        changes=len(inside),
        deploys=len(good),
        lead_seconds=median(leads) if leads else None,
        failed=len(broke),
        restore_seconds=median(times) if times else None,
        open_since=next((one.at for one in broke if one.restored_at is None), None),
    )


def is_change(one: Went) -> bool:
    """Whether people noticed it: rollbacks and repairs restore, and what failed before any host was touched did not."""
    return one.kind == DeployKind.DEPLOY and (one.good or one.touched)


def failures(story: Sequence[Went]) -> list[Failure]:
    """Each change that went wrong, once and in order: it failed, or went live and was then rolled back.

    It began when the deploy ended, and was over when the next deploy, rollback or repair ended well.
    """
    found: list[Failure] = []
    restored_at, after = None, None
    for one in reversed(story):
        if is_change(one) and (not one.good or _is_rolled_back(one, after)):
            found.append(Failure(one.ended_at, restored_at))
        if one.good:
            restored_at = one.ended_at
            after = one if one.number != one.replaced else after
    return found[::-1]


def _is_rolled_back(one: Went, after: Went | None) -> bool:
    """Whether the next thing that changed what is live was a way back from it."""
    return after is not None and after.kind == DeployKind.ROLLBACK and after.replaced == one.number


def story(environment: Environment) -> list[Went]:
    """The environment's ledger in order of time, in two queries; what a person stopped is in nobody's favour."""
    ended = Deploy.objects.filter(environment=environment, status__in=[Status.SUCCEEDED, *BAD])
    read = ended.annotate(touched=_SWITCHED).order_by("-finished_at").values_list(*_ROW)[:READ]
    rows = [_Row(*row) for row in read][::-1]
    pushed = _pushed(environment)
    live: set[int] = set()
    found = []
    for row in rows:
        good = row.status == Status.SUCCEEDED
        brought = _brought(row, pushed, live) if good and row.kind == DeployKind.DEPLOY else {}
        live |= brought.keys()
        went = Went(row.kind, row.number, row.replaced, good, row.touched, row.ended_at, tuple(brought.values()))
        found.append(went)
    return found


def _pushed(environment: Environment) -> Mapping[int, datetime]:
    """Release → when its run began to be, of those that the environment takes."""
    cut = Release.objects.filter(project=environment.project_id).order_by("-number")
    rows = cut.values_list("number", "ref", "run__created_at")[:READ]
    return {number: at for number, ref, at in rows if rules.takes(environment.ref_pattern, ref)}


def _brought(deploy: _Row, pushed: Mapping[int, datetime], live: set[int]) -> dict[int, datetime]:
    """What this deploy brought for the first time: its release, and those before it that never went live alone."""
    low = deploy.replaced if deploy.replaced is not None else deploy.number - 1
    numbers = range(low + 1, deploy.number + 1)
    return {number: pushed[number] for number in numbers if number in pushed and number not in live}


def weeks(until: datetime, count: int) -> list[tuple[datetime, datetime]]:
    """The last `count` stretches of seven days, the newest last; it ends at `until`."""
    ends = [until - timedelta(days=7 * place) for place in reversed(range(count))]
    return [(end - timedelta(days=7), end) for end in ends]


def weekly(story: Sequence[Went], until: datetime) -> list[Week]:
    """The figures of each of the last WEEKS weeks, the newest last."""
    return [Week(*week, figures(story, *week)) for week in weeks(until, WEEKS)]
