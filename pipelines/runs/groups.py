"""Concurrency groups: who is in, who stands at the door, and taking a place.

A run holds its place from its first stage until its end, a stage while it runs. Groups of runs and groups of stages
are apart, even under one name: a run would wait for itself.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from pipelines.errors import LostRace
from pipelines.runs.models import Group, Run, Stage
from pipelines.runs.places import Member, ahead, superseded
from pipelines.states.status import Status

Key = tuple[int, str]
"""A project's id and the name of a group in it."""

_RUN_FIELDS = ("project_id", "group", "pk", "number", "since", "group_limit", "group_cancel", "entered_at")
_STAGE_FIELDS = (
    "run__project_id",
    "group",
    "pk",
    "run__number",
    "run__since",
    "position",
    "group_limit",
    "group_cancel",
    "status",
)
# Not yet let into their own group, runs do not take their stages' places: two could wait for each other for ever.
_PRESENT = Q(run__group="") | Q(run__entered_at__isnull=False)


class GroupFull(LostRace):
    """Others are in the group or before it in the queue; it will be looked at again when one of them has gone."""


def enter(stage: Stage) -> None:
    """Take the places that the stage needs, in the transaction that begins it; raises GroupFull.

    The group's own row is written before anybody is counted: a rival waits there until our place is seen.
    """
    run = stage.run
    if run.group and run.entered_at is None:
        _open(run.project_id, f"runs {run.group}")
        _check(runs_in([(run.project_id, run.group)]), run.pk, f"{run} waits for its group {run.group}")
        run.entered_at = timezone.now()
        Run.objects.filter(pk=run.pk).update(entered_at=run.entered_at)
    if stage.group:
        _open(run.project_id, f"stages {stage.group}")
        _check(stages_in([(run.project_id, stage.group)]), stage.pk, f"{stage} waits for its group {stage.group}")


def runs_ahead(keys: Iterable[Key]) -> dict[int, int]:
    """Id of each run that waits for one of these groups of runs → how many are ahead of it."""
    return _each(runs_in(keys))


def stages_ahead(keys: Iterable[Key]) -> dict[int, int]:
    """As `runs_ahead`, of stages and groups of stages."""
    return _each(stages_in(keys))


def superseded_runs(keys: Iterable[Key] | None = None) -> dict[int, int]:
    """Id of each run that a later one of its group sends away → that one's number; None: in every group there is."""
    asking = Run.objects.filter(status=Status.RUNNING, finished_at=None).exclude(group="").exclude(group_cancel="none")
    keys = set(asking.values_list("project_id", "group")) if keys is None else keys
    return _gone(runs_in(keys))


def superseded_stages(keys: Iterable[Key] | None = None) -> dict[int, int]:
    """As `superseded_runs`, of stages. Also what waits for its needs or for people goes."""
    asking = Stage.objects.filter(status__in=[Status.QUEUED, Status.RUNNING], finished_at=None).exclude(group="")
    asking = asking.exclude(group_cancel="none")
    keys = set(asking.values_list("run__project_id", "group")) if keys is None else keys
    return _gone(stages_in(keys, blocked=True))


def runs_in(keys: Iterable[Key]) -> Mapping[Key, list[Member]]:
    """The planned runs of each group that have not ended and were not asked to."""
    found: dict[Key, list[Member]] = defaultdict(list)
    wanted = set(keys)
    # Of those not yet in, who has nothing that could begin (it waits for people) keeps no place.
    comes = Stage.objects.filter(run=OuterRef("pk"), status__in=[Status.QUEUED, Status.RUNNING])
    rows = _of(Run.objects.filter(status=Status.RUNNING, finished_at=None), "project_id", wanted)
    rows = rows.filter(Q(entered_at__isnull=False) | Exists(comes))
    for project, group, pk, number, since, limit, cancel, entered in rows.values_list(*_RUN_FIELDS):
        if (project, group) in wanted:
            of = since or number
            found[project, group].append(Member(pk, (number,), limit, cancel, holds=entered is not None, number=of))
    return found


def stages_in(keys: Iterable[Key], *, blocked: bool = False) -> Mapping[Key, list[Member]]:
    """The stages of each group that run or may still come to it. What waits for people keeps no place: they may take
    days."""
    statuses = [Status.PENDING, Status.QUEUED, Status.RUNNING, *([Status.BLOCKED] if blocked else [])]
    wanted = set(keys)
    present = Stage.objects.filter(_PRESENT, status__in=statuses, finished_at=None, run__status=Status.RUNNING)
    found: dict[Key, list[Member]] = defaultdict(list)
    rows = _of(present, "run__project_id", wanted).values_list(*_STAGE_FIELDS)
    for project, group, pk, number, since, position, limit, cancel, status in rows:
        if (project, group) not in wanted:
            continue
        has_come = status in (Status.QUEUED, Status.RUNNING)
        # Of one run those that have come go first: what they wait for may be what they themselves hold up.
        order = (number, int(not has_come), position)
        holds = status == Status.RUNNING
        found[project, group].append(Member(pk, order, limit, cancel, holds, has_come, since or number))
    return found


def _of(
    rows: "QuerySet[Run] | QuerySet[Stage]", project: str, keys: Collection[Key]
) -> "QuerySet[Run] | QuerySet[Stage]":
    """Also those of one project's groups that are another's of the wanted: a condition for each would be too many."""
    projects, names = {key[0] for key in keys}, {key[1] for key in keys}
    return rows.filter(**{f"{project}__in": projects, "group__in": names}) if keys else rows.none()


def _open(project_id: int, name: str) -> None:
    door = Group.objects.filter(project=project_id, name=name)
    if door.update(entries=F("entries") + 1) == 0:
        Group.objects.get_or_create(project_id=project_id, name=name)
        door.update(entries=F("entries") + 1)


def _check(members: Mapping[Key, list[Member]], member_id: int, why: str) -> None:
    if wait := _each(members).get(member_id):
        raise GroupFull(f"{why}: {wait} ahead")


def _each(members: Mapping[Key, list[Member]]) -> dict[int, int]:
    return {member_id: wait for group in members.values() for member_id, wait in ahead(group).items()}


def _gone(members: Mapping[Key, list[Member]]) -> dict[int, int]:
    return {member_id: number for group in members.values() for member_id, number in superseded(group).items()}
