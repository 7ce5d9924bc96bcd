"""What may go by the rules: never what runs, what is released, or what another run stands on."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery, Sum

from pipelines.deploys.retention import needed
from pipelines.logs.models import Log
from pipelines.projects.models import Project
from pipelines.retention import rules as said
from pipelines.retention.rules import NEWEST, Rules
from pipelines.runs.models import Artifact, Event, Run, Stage
from pipelines.schedules.models import Schedule

NOTICE_MAX = 300  # bytes; what a removed log leaves behind is no longer, and a log that is as short stays as it is


@dataclass(frozen=True, slots=True)
class Amount:
    """How much would go; bytes of logs are those of their text, of artifacts those in storage."""

    runs: int = 0
    logs: int = 0
    log_bytes: int = 0
    artifacts: int = 0
    artifact_bytes: int = 0
    events: int = 0

    @property
    def is_nothing(self) -> bool:
        return not (self.runs or self.logs or self.artifacts or self.events)


def preview(project: Project | None, chosen: Rules, now: datetime) -> list[tuple[Project, Amount]]:
    """By project, what would go now by the chosen rules of all projects, or of one, and those that each says itself;
    those first that lose most."""
    if project is not None:
        return [(project, amount(project, chosen.over(said.own(None)), now))]
    own = said.of_projects()
    projects = Project.objects.order_by("name")
    found = [(one, amount(one, own.get(one.pk, Rules()).over(chosen), now)) for one in projects]
    return sorted(found, key=lambda pair: -(pair[1].log_bytes + pair[1].artifact_bytes))


def amount(project: Project, rules: Rules, now: datetime) -> Amount:
    """What would go now, all of it; in four queries."""
    runs = old_runs(project, rules, now)
    texts = old_logs(project, rules, now).aggregate(bytes=Sum("size"))
    files = old_artifacts(project, rules, now).aggregate(bytes=Sum("size"))
    return Amount(
        runs=runs.count(),
        logs=old_logs(project, rules, now).count(),
        log_bytes=texts["bytes"] or 0,
        artifacts=old_artifacts(project, rules, now).count(),
        artifact_bytes=files["bytes"] or 0,
        events=old_events(project, rules, now).count(),
    )


def old_runs(project: Project, rules: Rules, now: datetime) -> QuerySet[Run]:
    """Neither released nor among the newest of their branch; nor does another run take its stages' work from them."""
    if not rules.runs_days:
        return Run.objects.none()
    newest = Run.objects.filter(project=project, ref=OuterRef("ref")).order_by("-number").values("number")
    place = (rules.runs_newest or NEWEST) - 1
    stood_on = Stage.objects.filter(taken_from__run=OuterRef("pk")).exclude(run=OuterRef("pk"))
    shipped = Artifact.objects.filter(attempt__stage__run=OuterRef("pk"), releases__isnull=False)
    rerun_now = Run.objects.filter(rerun_of=OuterRef("pk"), finished_at=None)
    return Run.objects.filter(
        ~Exists(stood_on),
        ~Exists(shipped),
        ~Exists(rerun_now),
        project=project,
        release=None,
        finished_at__lt=now - timedelta(days=rules.runs_days),
        number__lt=Subquery(newest[place : place + 1]),
    )


def old_logs(project: Project, rules: Rules, now: datetime) -> QuerySet[Log]:
    """Of stages and their services. What a deploy said is kept with it."""
    if not rules.logs_days:
        return Log.objects.none()
    before = now - timedelta(days=rules.logs_days)
    of_stage = Q(attempt__stage__run__project=project, attempt__finished_at__lt=before)
    of_service = Q(service__attempt__stage__run__project=project, service__attempt__finished_at__lt=before)
    return Log.objects.filter(of_stage | of_service, closed_at__lt=before, size__gt=NOTICE_MAX)


def old_artifacts(project: Project, rules: Rules, now: datetime) -> QuerySet[Artifact]:
    """By their own rule, or because their run goes. Those of releases stay, and those that a run or release needs."""
    rows = Artifact.objects.filter(attempt__stage__run__project=project, expired_at=None, releases=None)
    doomed = Q(attempt__stage__run__in=old_runs(project, rules, now)) if rules.runs_days else Q(pk__in=())
    if rules.artifacts_days:
        doomed |= Q(attempt__stage__run__finished_at__lt=now - timedelta(days=rules.artifacts_days))
    return rows.filter(doomed, ~needed())


def old_events(project: Project, rules: Rules, now: datetime) -> QuerySet[Event]:
    """Those that started nothing which is still there. With a run its event stays: it says who pushed."""
    if not rules.events_days:
        return Event.objects.none()
    last = Schedule.objects.filter(last_event=OuterRef("pk"))
    before = now - timedelta(days=rules.events_days)
    return Event.objects.filter(~Exists(last), project=project, run=None, received_at__lt=before)


def old_payloads(project: Project, rules: Rules, now: datetime) -> QuerySet[Event]:
    """Of events that stay for their run's sake, what was delivered with them."""
    if not rules.events_days:
        return Event.objects.none()
    kept = Event.objects.filter(project=project, received_at__lt=now - timedelta(days=rules.events_days))
    return kept.exclude(run=None).filter(run__finished_at__isnull=False, payload__isnull=False)


def gone_from_storage(runs: QuerySet[Run]) -> QuerySet[Run]:
    """Those of which no artifact's file lies in storage any more: only then the names of the files may be forgotten."""
    stored = Artifact.objects.filter(attempt__stage__run=OuterRef("pk")).exclude(storage_name="")
    return runs.filter(~Exists(stored))
