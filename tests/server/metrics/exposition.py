"""Reads what a page of metrics says, and finds what promtool would find wrong with it."""

import re
from collections.abc import Iterator

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*\Z")
_NOT_BASE = re.compile(r"_(milli|micro|nano)?(ms|millis|minutes|hours|days|kilobytes|megabytes|kb|mb|percent)(_|\Z)")
_RESERVED = ("le", "quantile", "__name__", "instance", "job")
_UNITS = ("seconds", "bytes")


def read(text: str) -> dict[str, Metric]:
    """Families by name; raises ValueError for what cannot be parsed."""
    return {family.name: family for family in text_string_to_metric_families(text)}


def problems(text: str) -> Iterator[str]:
    """Sentences; none for a page that keeps the rules."""
    helped = set(re.findall(r"^# HELP (\S+) \S", text, re.MULTILINE))
    typed = re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE)
    for name, kind in typed:
        if name not in helped:
            yield f"{name} has no help"
        if (kind == "counter") != name.endswith("_total"):
            yield f"{name} is a {kind}: counters, and nothing else, end in _total"
    if len({name for name, _ in typed}) != len(typed):
        yield "a family is there twice"
    for family in read(text).values():
        yield from _of_family(family)


def _of_family(family: Metric) -> Iterator[str]:
    if not _NAME.match(family.name) or not family.name.startswith("slipway_"):
        yield f"{family.name} is no name of ours"
    if _NOT_BASE.search(family.name):
        yield f"{family.name} is not in base units"
    if family.type == "histogram" and not family.name.endswith(_UNITS):
        yield f"{family.name} does not say its unit"
    if not family.documentation.endswith("."):
        yield f"the help of {family.name} is no sentence"
    seen = set()
    for sample in family.samples:
        labels = tuple(sorted(sample.labels.items()))
        if (sample.name, labels) in seen:
            yield f"{sample.name}{labels} is there twice"
        seen.add((sample.name, labels))
        own = set(sample.labels) - ({"le"} if sample.name.endswith("_bucket") else set())
        if own & set(_RESERVED):
            yield f"{sample.name} has a reserved label"
    if family.type == "histogram":
        yield from _of_histogram(family)


def _of_histogram(family: Metric) -> Iterator[str]:
    series: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
    counts: dict[tuple[tuple[str, str], ...], float] = {}
    for sample in family.samples:
        own = tuple(sorted((name, value) for name, value in sample.labels.items() if name != "le"))
        if sample.name.endswith("_bucket"):
            series.setdefault(own, []).append((float(sample.labels["le"]), sample.value))
        elif sample.name.endswith("_count"):
            counts[own] = sample.value
    for own, buckets in series.items():
        if [value for _, value in buckets] != sorted(value for _, value in buckets):
            yield f"the buckets of {family.name}{own} are not cumulated"
        if buckets[-1][0] != float("inf") or buckets[-1][1] != counts.get(own):
            yield f"the last bucket of {family.name}{own} is not all"
