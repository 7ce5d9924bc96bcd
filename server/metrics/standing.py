"""Gauges: how things stand now. Each question is one query on an index of what is unfinished."""

import platform
import shutil
from collections.abc import Iterator
from datetime import datetime

import django
from django.conf import settings
from django.core.files.storage import FileSystemStorage, storages
from django.db import connection
from django.db.models import Case, Count, Min, Model, Value, When
from django.db.models.functions import Now
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric

from pipelines.audit.models import Act
from pipelines.deploys.models import Deploy, Environment, Host
from pipelines.logs.models import Log
from pipelines.outbox.models import Channel, Message
from pipelines.roster import queries as roster
from pipelines.roster.models import Kind
from pipelines.runs.models import Attempt, Run, Stage
from pipelines.states.status import FINAL, Status

ENVIRONMENTS_MAX = 500
_OPEN = [status for status in Status if status not in FINAL]
_QUEUES: dict[str, type[Model]] = {"run": Run, "stage": Stage, "deploy": Deploy}


def collect() -> Iterator[Metric]:
    yield _build()
    yield from _work()
    yield from _runners()
    yield from _outbox()
    yield from _environments()
    yield from _room()


def _build() -> InfoMetricFamily:
    told = {"python": platform.python_version(), "django": django.get_version(), "database": connection.vendor}
    return InfoMetricFamily("slipway_build", "What runs here.", value=told)


def _work() -> Iterator[Metric]:
    """Unfinished runs, stages and deploys; and since when the oldest that is queued waits."""
    oldest = GaugeMetricFamily("slipway_queue_oldest_seconds", "How long the oldest queued one waits.", labels=["kind"])
    now = timezone.now()
    for kind, model in _QUEUES.items():
        open_ones = model._default_manager.filter(finished_at=None)
        counts = dict(open_ones.values_list("status").annotate(count=Count("pk")))
        family = GaugeMetricFamily(f"slipway_{kind}s_unfinished", f"Unfinished {kind}s by status.", labels=["status"])
        for status in _OPEN:
            family.add_metric([status], counts.get(status, 0))
        yield family
        since = open_ones.filter(status=Status.QUEUED).aggregate(since=Min("created_at"))["since"]
        oldest.add_metric([kind], _age(since, now))
    yield oldest


def _runners() -> Iterator[Metric]:
    family = GaugeMetricFamily(
        "slipway_runners", "Worker processes by kind and condition.", labels=["kind", "condition"]
    )
    counts = dict.fromkeys(
        [(kind, condition) for kind in Kind.values for condition in ("ready", "draining", "gone")], 0
    )
    for one in roster.everyone():
        condition = "gone" if not one.is_there else "draining" if one.drains else "ready"
        counts[one.runner.kind, condition] += 1
    for key, count in counts.items():
        family.add_metric(key, count)
    yield family
    busy = GaugeMetricFamily("slipway_runners_busy", "Runners that perform something.", labels=["kind"])
    begun = {"status": Status.RUNNING, "finished_at": None}  # said as well: the indexes are of what has not ended
    attempts = Attempt.objects.filter(stage__in=Stage.objects.filter(**begun), lease_until__gt=Now())
    busy.add_metric([Kind.STAGE], attempts.count())
    busy.add_metric([Kind.DEPLOY], Deploy.objects.filter(**begun, lease_until__gt=Now()).count())
    yield busy


def _outbox() -> Iterator[Metric]:
    waiting = Message.objects.filter(sent_at=None, given_up_at=None)
    state = Case(When(attempts__gt=0, then=Value("retrying")), default=Value("waiting"))
    rows = waiting.annotate(state=state).values_list("channel", "state").annotate(count=Count("pk"))
    counts = {(channel, how): count for channel, how, count in rows}
    labels = ["channel", "state"]
    family = GaugeMetricFamily("slipway_outbox_messages", "Messages that are not sent yet.", labels=labels)
    for channel in Channel.values:
        for how in ("waiting", "retrying"):
            family.add_metric([channel, how], counts.get((channel, how), 0))
    yield family
    unsealed = Act.objects.filter(place=None).count()
    yield GaugeMetricFamily("slipway_audit_unsealed", "Acts that the sealer has not chained yet.", value=unsealed)
    logs = Log.objects.filter(archive="").exclude(closed_at=None).count()
    yield GaugeMetricFamily("slipway_logs_unarchived", "Closed logs that are not in storage yet.", value=logs)


def _environments() -> Iterator[Metric]:
    labels = ["project", "environment"]
    live = GaugeMetricFamily("slipway_environment_release", "Number of the release that is live there.", labels=labels)
    paused = GaugeMetricFamily("slipway_environment_paused", "1 while its queue is paused.", labels=labels)
    rows = Environment.objects.order_by("pk").values_list("pk", "project__name", "name", "current__number", "paused_at")
    places = {pk: (project, name) for pk, project, name, *_ in rows[:ENVIRONMENTS_MAX]}
    for _, project, name, release, paused_at in rows[:ENVIRONMENTS_MAX]:
        paused.add_metric([project, name], int(paused_at is not None))
        if release is not None:
            live.add_metric([project, name], release)
    yield live
    yield paused
    yield _hosts(places)


def _hosts(places: dict[int, tuple[str, str]]) -> GaugeMetricFamily:
    labels = ["project", "environment", "health"]
    family = GaugeMetricFamily("slipway_environment_hosts", "Listed hosts by their last health check.", labels=labels)
    found = Host.objects.filter(gone_at=None).values_list("environment", "healthy").annotate(count=Count("pk"))
    for environment, healthy, count in found.order_by("environment", "healthy"):
        if environment in places:
            health = "unknown" if healthy is None else "good" if healthy else "bad"
            family.add_metric([*places[environment], health], count)
    return family


def _room() -> Iterator[Metric]:
    yield GaugeMetricFamily("slipway_database_size_bytes", "What the database takes.", value=_database_bytes())
    places = {"state": str(settings.STATE_DIR)}
    storage = storages["default"]
    if isinstance(storage, FileSystemStorage):
        places["storage"] = str(storage.location)
    free = GaugeMetricFamily("slipway_disk_free_bytes", "Room on the disks of this process.", labels=["place"])
    for place, path in places.items():
        try:
            free.add_metric([place], shutil.disk_usage(path).free)
        except OSError:  # nothing was ever stored there
            continue
    yield free


def _database_bytes() -> int:
    statement = (
        "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
        if connection.vendor == "sqlite"
        else "SELECT pg_database_size(current_database())"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return int(cursor.fetchone()[0])


def _age(since: datetime | None, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds()) if since else 0.0
