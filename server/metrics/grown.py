"""Counters and histograms of runs, stages, deploys and messages that have ended: the totals of the records.

They are the same whichever process is asked and whatever was removed meanwhile, so they never fall; a restore sets them
back to what they were, as a restart does.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from pipelines.projects.models import Project
from pipelines.tallies.models import Counted
from pipelines.tallies.totals import Total, totals
from server.metrics.histograms import Histogram, Labels, counter, histogram

PROJECTS_MAX = 200  # those with the lowest ids have names of their own, all others are told together
OTHERS = "_others"

LabelsOf = Callable[[Total], Labels]


def collect() -> Iterator[Metric]:
    known = list(totals())
    yield from _Page(known, _names(known)).families()


def _names(known: Sequence[Total]) -> dict[int, str]:
    """Project id → how it is told of. Who was deleted keeps the place, though nothing is told of him any more: were it
    taken by another, what is told of the others together would fall."""
    names = dict(Project.objects.values_list("pk", "name"))
    ids = {total.project_id for total in known if total.project_id is not None} | names.keys()
    named, others = sorted(ids)[:PROJECTS_MAX], sorted(ids)[PROJECTS_MAX:]
    return {pk: names[pk] for pk in named if pk in names} | dict.fromkeys(others, OTHERS)


class _Page:
    """The totals, by what was counted."""

    def __init__(self, known: Sequence[Total], names: dict[int, str]) -> None:
        self._names = names
        self._rows: defaultdict[str, list[Total]] = defaultdict(list)
        for total in known:
            if total.project_id is None or total.project_id in names:
                self._rows[total.counted].append(total)

    def families(self) -> Iterator[Metric]:
        project = ("project",)
        yield self._count("slipway_runs_finished", Counted.RUN, (*project, "status"), self._run)
        yield self._time("slipway_run_duration_seconds", Counted.RUN, project, self._project)
        yield self._time("slipway_run_wait_seconds", Counted.WAIT, (), lambda _: ())
        yield self._count("slipway_stages_finished", Counted.STAGE, ("status",), lambda total: (total.status,))
        yield self._time("slipway_stage_duration_seconds", Counted.STAGE, (), lambda _: ())
        labels = (*project, "environment", "kind", "status")
        yield self._count("slipway_deploys_finished", Counted.DEPLOY, labels, self._deploy)
        yield self._time("slipway_deploy_duration_seconds", Counted.DEPLOY, project, self._project)
        yield self._count("slipway_outbox_given_up", Counted.GIVEN_UP, ("channel",), lambda total: (total.words,))

    def _project(self, total: Total) -> Labels:
        return (self._names[total.project_id or 0],)

    def _run(self, total: Total) -> Labels:
        return (*self._project(total), total.status)

    def _deploy(self, total: Total) -> Labels:
        """Environments of projects without a name of their own have none either."""
        (project,) = self._project(total)
        return (project, "" if project == OTHERS else total.words, total.kind, total.status)

    def _count(self, name: str, counted: Counted, labels: Labels, labels_of: LabelsOf) -> CounterMetricFamily:
        counts = ((labels_of(total), total.count) for total in self._rows[counted])
        return counter(name, _HELP[name], labels, counts)

    def _time(self, name: str, counted: Counted, labels: Labels, labels_of: LabelsOf) -> HistogramMetricFamily:
        found: defaultdict[Labels, Histogram] = defaultdict(Histogram)
        for total in self._rows[counted]:
            if total.bucket is not None:
                found[labels_of(total)].add(total.bucket, total.count, total.seconds)
        return histogram(name, _HELP[name], labels, found)


_HELP = {
    "slipway_runs_finished": "Runs that have ended.",
    "slipway_run_duration_seconds": "From start to end of runs that have ended.",
    "slipway_run_wait_seconds": "From the event to the start of runs.",
    "slipway_stages_finished": "Stages that have ended.",
    "slipway_stage_duration_seconds": "From start to end of stages that have ended.",
    "slipway_deploys_finished": "Deploys that have ended.",
    "slipway_deploy_duration_seconds": "From start to end of deploys that have ended.",
    "slipway_outbox_given_up": "Messages that could not be sent.",
}
