"""Which release each host ran over the last day."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import OuterRef, Subquery
from django.utils import timezone

from pipelines.deploys.models import Environment, Host, HostDeploy
from pipelines.states.status import Status

DAY_SECONDS = 24 * 3600
_SWITCH = ("host", "finished_at", "deploy__release__number", "status")


@dataclass(frozen=True, slots=True)
class Switch:
    """A host began to run a release; `healthy` is what its deploy said of it."""

    at: datetime
    release: int
    healthy: bool


@dataclass(frozen=True, slots=True)
class Stretch:
    """A host ran a release from `start` to `end`, in seconds after the beginning of the day that is looked at."""

    release: int
    start: float
    end: float
    healthy: bool


def of_environment(environment: Environment, hosts: Sequence[Host]) -> Mapping[int, Sequence[Stretch]]:
    """Host id → its day, in two queries. A host that is unhealthy now is so since that was seen."""
    until = timezone.now()
    since = until - timedelta(seconds=DAY_SECONDS)
    switched = HostDeploy.objects.filter(host__environment=environment, switched=True).exclude(finished_at=None)
    earlier = switched.filter(host=OuterRef("pk"), finished_at__lt=since).order_by("-finished_at", "-pk").values("pk")
    before = environment.hosts.annotate(last=Subquery(earlier[:1])).values("last")
    found: dict[int, list[Switch]] = defaultdict(list)
    # Two questions: no index helps with one that asks for either.
    for rows in (switched.filter(pk__in=before), switched.filter(finished_at__gte=since)):
        told = rows.order_by("finished_at", "pk").values_list(*_SWITCH)
        for host, at, release, status in told:
            found[host].append(Switch(at, release, status == Status.SUCCEEDED))
    return {host.pk: day(_with_now(host, found[host.pk]), since, until) for host in hosts}


def day(switches: Iterable[Switch], since: datetime, until: datetime) -> list[Stretch]:
    """Pure: the stretches of the time from `since` to `until`; `switches` in order of time."""
    known = list(switches)
    ends = [*(one.at for one in known[1:]), until][: len(known)]
    return [
        Stretch(
            one.release,
            max((one.at - since).total_seconds(), 0.0),
            (min(end, until) - since).total_seconds(),
            one.healthy,
        )
        for one, end in zip(known, ends, strict=True)
        if end > since and end > one.at
    ]


def _with_now(host: Host, switches: list[Switch]) -> list[Switch]:
    """What was seen after the last switch."""
    if host.healthy is not False or host.checked_at is None or not switches:
        return switches
    last = switches[-1]
    seen = max(host.checked_at, last.at)
    return [*switches, Switch(seen, last.release, False)] if last.healthy else switches
