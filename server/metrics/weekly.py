"""Counters and histograms of runs, stages, deploys and messages that have ended."""

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from pipelines.deploys.models import Deploy
from pipelines.outbox.models import Message
from pipelines.projects.models import Project
from pipelines.runs.models import Run, Stage
from server.metrics.ended import Ended, Histogram, Labels, Tally

PROJECTS_MAX = 200  # those with the lowest ids have names of their own, all others are told together
OTHERS = "_others"
_WEEK = "since Monday 00:00 UTC"


class Weekly:
    """One of each process: it remembers what it has counted."""

    def __init__(self) -> None:
        self._runs = Ended(_runs, "finished_at", "created_at", _read_run)
        self._waits = Ended(_runs, "started_at", "created_at", _read_wait)
        self._stages = Ended(_stages, "finished_at", "created_at", _read_stage)
        self._deploys = Ended(_deploys, "finished_at", "created_at", _read_deploy)
        self._given_up = Ended(_given_up, "given_up_at", "due_at", _read_message)

    def collect(self) -> Iterator[Metric]:
        names = dict(Project.objects.order_by("pk").values_list("pk", "name")[:PROJECTS_MAX])
        runs, deploys = _named(self._runs.tally(), names), _named(self._deploys.tally(), names)
        stages = self._stages.tally()
        yield _counter("slipway_runs_finished", f"Runs that ended {_WEEK}.", ("project", "status"), runs)
        yield _histogram(
            "slipway_run_duration_seconds", f"From start to end of runs that ended {_WEEK}.", "project", runs
        )
        yield _histogram("slipway_run_wait_seconds", "From the event to the start of runs.", "", self._waits.tally())
        yield _counter("slipway_stages_finished", f"Stages that ended {_WEEK}.", ("status",), stages)
        yield _histogram("slipway_stage_duration_seconds", f"From start to end of stages, {_WEEK}.", "", stages)
        labels = ("project", "environment", "kind", "status")
        yield _counter("slipway_deploys_finished", f"Deploys that ended {_WEEK}.", labels, deploys)
        yield _histogram(
            "slipway_deploy_duration_seconds", f"From start to end of deploys, {_WEEK}.", "project", deploys
        )
        given_up = self._given_up.tally()
        yield _counter("slipway_outbox_given_up", f"Messages that could not be sent, {_WEEK}.", ("channel",), given_up)


def _runs() -> QuerySet[Any]:
    return Run.objects.only("pk", "project_id", "status", "created_at", "started_at", "finished_at")


def _stages() -> QuerySet[Any]:
    return Stage.objects.only("pk", "status", "started_at", "finished_at")


def _deploys() -> QuerySet[Any]:
    rows = Deploy.objects.select_related("environment")
    fields = ("pk", "status", "kind", "started_at", "finished_at", "environment__name", "environment__project_id")
    return rows.only(*fields)


def _given_up() -> QuerySet[Any]:
    return Message.objects.only("pk", "channel", "given_up_at")


def _read_run(run: Run) -> tuple[Labels, Labels, float | None]:
    return (str(run.project_id), run.status), (str(run.project_id),), run.took_seconds


def _read_wait(run: Run) -> tuple[Labels, Labels, float | None]:
    seconds = (run.started_at - run.created_at).total_seconds() if run.started_at else None
    return (), (), seconds


def _read_stage(stage: Stage) -> tuple[Labels, Labels, float | None]:
    return (stage.status,), (), stage.took_seconds


def _read_deploy(deploy: Deploy) -> tuple[Labels, Labels, float | None]:
    project = str(deploy.environment.project_id)
    return (project, deploy.environment.name, deploy.kind, deploy.status), (project,), deploy.took_seconds


def _read_message(message: Message) -> tuple[Labels, Labels, float | None]:
    return (message.channel,), (), None


def _named(tally: Tally, names: dict[int, str]) -> Tally:
    """With projects' names for their ids, and one name for all beyond the bound, whose environments have none."""
    counts: dict[Labels, int] = {}
    durations: dict[Labels, Histogram] = {}
    for labels, count in tally.counts.items():
        told = _label(labels, names)
        counts[told] = counts.get(told, 0) + count
    for labels, histogram in tally.durations.items():
        _merge(durations.setdefault(_label(labels, names), Histogram()), histogram)
    return Tally(counts, durations)


def _label(labels: Labels, names: dict[int, str]) -> Labels:
    project, *others = labels
    if int(project) in names:
        return (names[int(project)], *others)
    return (OTHERS, *(["", *others[1:]] if len(others) == 3 else others))


def _merge(into: Histogram, other: Histogram) -> None:
    into.counts = [mine + more for mine, more in zip(into.counts, other.counts, strict=True)]
    into.seconds += other.seconds


def _counter(name: str, text: str, labels: Labels, tally: Tally) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=labels)
    for values, count in sorted(tally.counts.items()):
        family.add_metric(values, count)
    return family


def _histogram(name: str, text: str, label: str, tally: Tally) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, text, labels=(label,) if label else ())
    for values, histogram in sorted(tally.durations.items(), key=lambda pair: pair[0]):
        family.add_metric(values, buckets=histogram.cumulated(), sum_value=histogram.seconds)
    return family
