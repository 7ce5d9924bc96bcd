"""Who is there."""

from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import BooleanField, Case, QuerySet, Value, When

from pipelines.roster.lifecycle import GONE_SECONDS
from pipelines.roster.models import Kind, Machine, Runner
from pipelines.states import leases


@dataclass(frozen=True, slots=True)
class Standing:
    """A runner, whether it was seen of late, and whether it or all of its host drains."""

    runner: Runner
    is_there: bool
    drains: bool


def alive(kind: Kind | None = None) -> QuerySet[Runner]:
    """Those that were seen of late."""
    there = Runner.objects.filter(seen_at__gte=leases.until(-GONE_SECONDS))
    return there if kind is None else there.filter(kind=kind)


def ready(kind: Kind | None = None) -> QuerySet[Runner]:
    """Those of them that may be given work."""
    return alive(kind).filter(drain_requested_at=None).exclude(host__in=Machine.objects.values("host"))


def with_labels(labels: Collection[str]) -> list[Runner]:
    """The runners that a stage which asks for these labels may be given to."""
    return [runner for runner in ready(Kind.STAGE).order_by("name") if set(labels) <= set(runner.labels)]


def stage_labels() -> dict[str, frozenset[str]]:
    """Name → labels of the runners that may be given stages; what `pipelines.runs.waiting.Fleet` is made of."""
    return {name: frozenset(labels) for name, labels in ready(Kind.STAGE).values_list("name", "labels")}


def everyone() -> list[Standing]:
    """All that are known, by host, kind and process."""
    seen = Case(
        When(seen_at__gte=leases.until(-GONE_SECONDS), then=Value(True)),
        default=Value(False),
        output_field=BooleanField(),
    )
    rows = Runner.objects.annotate(is_there=seen).order_by("host", "kind", "pid")
    drained = set(Machine.objects.values_list("host", flat=True))
    return [Standing(row, row.is_there, row.is_draining or row.host in drained) for row in rows]


def draining_hosts() -> list[Machine]:
    return list(Machine.objects.order_by("host"))
