"""What pages ask about runs and events; each question is a bounded number of queries over a bounded number of rows."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from statistics import median

from django.db.models import CharField, F, Max, Prefetch, Q, QuerySet, Value, Window
from django.db.models.functions import Concat, RowNumber

from pipelines.projects.models import Project
from pipelines.runs.approvals import answers_of
from pipelines.runs.models import Artifact, Attempt, Event, Outcome, Run, Stage
from pipelines.runs.standing import by_commit
from pipelines.spec.model import ParameterSpec
from pipelines.states.models import Transition
from pipelines.states.status import BAD, FINAL, Status

# What no list shows, and a row of which can be large.
LARGE = ("message", "parameters", "only", "spec_sources", "problems", "deploy_spec", "asks")
_BRIEF = ("number", "status", "reason", "started_at", "finished_at", "title", "author", "sha", "since")
_SECRETS = ("project__webhook_secret", "project__code_host_token", "project__deploy_key")
_STRIDE = 2_000  # events looked through at first for a page of them; then ten times as many, and so on
LOOK_BACK = 300  # runs of a project among which the newest of a branch are looked for
_AT_FIRST = 60  # of them, which are enough for most projects


@dataclass(frozen=True, slots=True)
class Brief:
    """What is told of a run where there are a thousand of them: whole rows take three times as long to read."""

    number: int
    status: str
    reason: str
    started_at: datetime | None
    finished_at: datetime | None
    title: str
    author: str
    sha: str
    since: int

    @property
    def took_seconds(self) -> float | None:
        """As of a run."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()

    @property
    def short_sha(self) -> str:
        return self.sha[:7]


@dataclass(frozen=True)
class Line:
    """The newest runs of a project's default branch, oldest first."""

    runs: Sequence[Brief]

    @property
    def newest(self) -> Brief | None:
        return self.runs[-1] if self.runs else None

    @cached_property
    def verdict(self) -> Brief | None:
        """Of the newest commit that has one, by a run that ended on its own account: a cancelled one says nothing of
        the code, nor does a rerun of an older commit say how the branch stands."""
        told = [run for run in self._by_commit if run.status in FINAL and run.status != Status.CANCELLED]
        return told[-1] if told else None

    @property
    def is_broken(self) -> bool:
        return self.verdict is not None and self.verdict.status in BAD

    @cached_property
    def broken_since(self) -> Brief | None:
        """The first of the bad runs in a row at the end; None when the branch is not broken."""
        since = None
        for run in reversed(self._by_commit):
            if run.status == Status.SUCCEEDED:
                break
            since = run if run.status in BAD else since
        return since if self.is_broken else None

    @cached_property
    def _by_commit(self) -> Sequence[Brief]:
        return by_commit(self.runs)

    @property
    def passed_percent(self) -> int | None:
        """How many of the runs that ended on their own account succeeded."""
        ended = [run.status for run in self.runs if run.status in (Status.SUCCEEDED, *BAD)]
        return round(100 * ended.count(Status.SUCCEEDED) / len(ended)) if ended else None

    @property
    def usual_seconds(self) -> float | None:
        """The median of the successful ones."""
        took = [run.took_seconds for run in self.runs if run.status == Status.SUCCEEDED and run.took_seconds]
        return median(took) if took else None


def lines(projects: Collection[Project], length: int = 20) -> Mapping[int, Line]:
    """Project id → the newest runs of its default branch, in two queries for all projects."""
    found: dict[int, list[Brief]] = defaultdict(list)
    _look_for_lines(projects, length, _AT_FIRST, found)
    short = [one for one in projects if len(found[one.pk]) < length and one.next_run_number - 1 > _AT_FIRST]
    if short:
        _look_for_lines(short, length, LOOK_BACK, found)
    return {project.pk: Line(found[project.pk]) for project in projects}


def _look_for_lines(projects: Collection[Project], length: int, back: int, found: dict[int, list[Brief]]) -> None:
    default_ref = Concat(Value("refs/heads/"), F("project__default_branch"), output_field=CharField())
    ranked = (
        Run.objects.filter(project__in=projects, ref=default_ref, number__gte=F("project__next_run_number") - back)
        .annotate(place=Window(RowNumber(), partition_by=F("project"), order_by=F("number").desc()))
        .filter(place__lte=length)
        .values("pk")  # ranked alone: the rows are wide
    )
    found.update((project.pk, []) for project in projects)
    for project, *row in Run.objects.filter(pk__in=ranked).order_by("number").values_list("project", *_BRIEF):
        found[project].append(Brief(*row))


def running(projects: Iterable[Project], limit: int = 30) -> list[Run]:
    """Runs that have been planned and not ended, the oldest first, their stages at hand."""
    runs = Run.objects.filter(project__in=projects, status=Status.RUNNING, finished_at=None)
    return list(runs.select_related("project").defer(*_SECRETS).prefetch_related("stages").order_by("pk")[:limit])


def refs(project: Project) -> list[str]:
    """Full refs of the last runs, the most recently run first."""
    recent = project.runs.filter(number__gte=project.next_run_number - LOOK_BACK).order_by("-number")
    return list(dict.fromkeys(recent.values_list("ref", flat=True)))


def asked_parameters(project: Project) -> tuple[ParameterSpec, ...]:
    """What the pipeline asks for, as it was when a run of the default branch was last planned."""
    planned = Run.objects.filter(project=project, ref=project.default_ref).exclude(spec_digest="")
    asks = planned.order_by("-number").values_list("asks", flat=True).first() or []
    return tuple(ParameterSpec.from_json(one) for one in asks)


def whole(project: Project, number: int) -> Run:
    """A run with its stages, their attempts and artifacts, and its events; raises Run.DoesNotExist."""
    attempts = (
        Attempt.objects.select_related("log")
        .prefetch_related(Prefetch("artifacts", Artifact.objects.order_by("path")))
        .order_by("number")
    )
    stages = Stage.objects.select_related("taken_from__run").prefetch_related(Prefetch("attempts", attempts))
    stages = stages.order_by("position")
    events = Event.objects.defer("payload").order_by("pk")
    runs = Run.objects.select_related("project", "rerun_of", "release")
    return runs.prefetch_related(Prefetch("stages", stages), Prefetch("events", events)).get(
        project=project, number=number
    )


def usual_seconds(run: Run) -> float | None:
    """How long the last successful runs of the same ref took: the median; None without any."""
    alike = Run.objects.filter(project=run.project_id, ref=run.ref, status=Status.SUCCEEDED, number__lt=run.number)
    took = [seconds for earlier in alike.order_by("-number")[:20] if (seconds := earlier.took_seconds)]
    return median(took) if took else None


def events(
    projects: Iterable[Project], outcomes: Iterable[Outcome] = (), before: int | None = None, limit: int = 50
) -> list[Event]:
    """Events of the projects, newest first, without their payloads."""
    found: QuerySet[Event] = Event.objects.filter(project__in=projects)
    if wanted := list(outcomes):
        found = found.filter(outcome__in=wanted)
        if Outcome.RUN not in wanted:
            found = found.exclude(outcome=Outcome.RUN)  # said as well, as an index is of those
    pks = _newest_first(found, before, limit)
    rows = Event.objects.filter(pk__in=pks).select_related("project", "run").defer("payload", *_SECRETS)
    return list(rows.order_by("-pk"))


def _newest_first(events: QuerySet[Event], before: int | None, limit: int) -> list[int]:
    """Ids, the newest first: no index of all projects together is in that order, so ever more are looked through."""
    until = before if before is not None else (Event.objects.aggregate(last=Max("pk"))["last"] or 0) + 1
    found: list[int] = []
    stride = _STRIDE
    while until > 0 and len(found) < limit:
        part = events.filter(pk__gte=until - stride, pk__lt=until).order_by("-pk").values_list("pk", flat=True)
        found += part[: limit - len(found)]
        until, stride = until - stride, stride * 10
    return found


def queued_at(stages: Iterable[Stage]) -> dict[int, datetime]:
    """Stage id → when nothing held it back any more."""
    rows = Transition.objects.filter(
        subject_kind=Stage.machine.name, subject_id__in=[stage.pk for stage in stages], to_status=Status.QUEUED
    )
    return dict(rows.order_by("pk").values_list("subject_id", "at"))


def waits_since(stages: Iterable[Stage]) -> dict[int, datetime]:
    """Stage id → when it came to the queue, or to the people who must agree, the last time."""
    rows = Transition.objects.filter(
        subject_kind=Stage.machine.name,
        subject_id__in=[stage.pk for stage in stages],
        to_status__in=[Status.QUEUED, Status.BLOCKED],
    )
    return dict(rows.order_by("pk").values_list("subject_id", "at"))


def artifacts_for(stage: Stage) -> list[Artifact]:
    """What the stages left that this one needs, directly or through others.

    In their order: of two files at one path the later one stays.
    """
    needs = dict(Stage.objects.filter(run=stage.run_id).values_list("name", "needs"))
    before: set[str] = set()
    waiting = list(stage.needs)
    while waiting:
        name = waiting.pop()
        if name not in before:
            before.add(name)
            waiting += needs[name]
    return list(artifacts_of(Stage.objects.filter(run=stage.run_id, name__in=before)))


def artifacts_of(stages: QuerySet[Stage]) -> QuerySet[Artifact]:
    """What these stages left, or those whose work they took over, in the order of their files."""
    made_by = Q(attempt__stage__in=stages) | Q(attempt__stage__taken_by__in=stages)
    return (
        Artifact.objects.filter(made_by, attempt__status=Status.SUCCEEDED)
        .order_by("attempt__stage__position", "pk")
        .distinct()
    )


def attempts_of(stage: Stage) -> QuerySet[Attempt]:
    """The attempts at a stage, the first first; of one that was taken over, those of the stage that did its work."""
    return Attempt.objects.filter(stage=stage.taken_from_id or stage.pk).select_related("log").order_by("number")


def attempts_of_all(stages: Collection[int]) -> Mapping[int, list[Attempt]]:
    """Stage id → its attempts with their artifacts, the first first, in two queries."""
    found: dict[int, list[Attempt]] = defaultdict(list)
    if stages:
        artifacts = Prefetch("artifacts", Artifact.objects.order_by("path"))
        for one in Attempt.objects.filter(stage__in=stages).prefetch_related(artifacts).order_by("number"):
            found[one.stage_id].append(one)
    return found


def parameters_for(stage: Stage) -> dict[str, str]:
    """What a stage is given as SLIPWAY_PARAM_<NAME>: the run's parameters, and what people answered who approved it."""
    return {**stage.run.parameters, **(answers_of(stage) if stage.approvals else {})}
