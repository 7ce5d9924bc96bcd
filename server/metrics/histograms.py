"""Pure: counters and histograms as Prometheus has them, from what was counted."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

from pipelines.tallies.models import BUCKETS

Labels = tuple[str, ...]


@dataclass(slots=True)
class Histogram:
    """How often what took so long; `counts` has one place more than BUCKETS."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    seconds: float = 0.0

    def add(self, bucket: int, count: int, seconds: float) -> None:
        self.counts[bucket] += count
        self.seconds += seconds

    def cumulated(self) -> Iterator[tuple[str, int]]:
        """Each bound with how many took no longer."""
        total = 0
        for bound, count in zip([*map(str, BUCKETS), "+Inf"], self.counts, strict=True):
            total += count
            yield bound, total


def counter(name: str, text: str, labels: Labels, counts: Iterable[tuple[Labels, int]]) -> CounterMetricFamily:
    """What has the same labels is added up."""
    found: defaultdict[Labels, int] = defaultdict(int)
    for values, count in counts:
        found[values] += count
    family = CounterMetricFamily(name, text, labels=labels)
    for values, count in sorted(found.items()):
        family.add_metric(values, count)
    return family


def histogram(name: str, text: str, labels: Labels, rows: Mapping[Labels, Histogram]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, text, labels=labels)
    for values, one in sorted(rows.items(), key=lambda pair: pair[0]):
        family.add_metric(values, buckets=list(one.cumulated()), sum_value=one.seconds)
    return family
