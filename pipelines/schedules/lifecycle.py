"""Write down, pause, take away; see `firing` for what the clock does with them."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone

from pipelines.audit.record import record
from pipelines.errors import UserError
from pipelines.projects.models import Project
from pipelines.runs.receiving import MAX_REF
from pipelines.schedules.models import Schedule, Source
from pipelines.spec.cron import next_after
from pipelines.spec.model import ScheduleSpec

MAX_OF_PAGE = 50  # of one project
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")


class BadSchedule(UserError):
    """It cannot be written down so."""


@transaction.atomic
def sync(project: Project, specs: Sequence[ScheduleSpec]) -> None:
    """Make the file's schedules those of `specs`, which the default branch has now.

    One that did not change keeps its next time, one that a person paused stays paused.
    """
    kept = {row.name: row for row in Schedule.objects.filter(project=project, source=Source.FILE)}
    for spec in specs:
        _write(project, spec, kept.pop(spec.name, None))
    Schedule.objects.filter(pk__in=[row.pk for row in kept.values()]).delete()


@transaction.atomic
def make(
    project: Project, name: str, cron: str, zone: str, branch: str, parameters: Mapping[str, str], actor: str
) -> Schedule:
    """A schedule of the page. Raises BadSchedule, BadCron and BadTimeZone."""
    if not _NAME.fullmatch(name):
        raise BadSchedule(f"{name[:60]!r} is no name: small letters, digits, - and _, at most 60")
    if Schedule.objects.filter(project=project, source=Source.PAGE).count() >= MAX_OF_PAGE:
        raise BadSchedule(f"{project} has {MAX_OF_PAGE} schedules already: remove one first")
    cron = " ".join(cron.split())
    next_at = next_after(cron, zone, timezone.now())
    try:
        with transaction.atomic():
            made = Schedule.objects.create(
                project=project,
                source=Source.PAGE,
                name=name,
                cron=cron,
                timezone=zone,
                ref=_ref(project, branch),
                parameters=dict(parameters),
                made_by=actor[:150],
                next_at=next_at,
            )
    except IntegrityError as error:
        raise BadSchedule(f"there is a schedule {name} already") from error
    record(actor, "added", f"schedule {made}", cron=cron, timezone=zone, ref=made.ref)
    return made


@transaction.atomic
def pause(schedule: Schedule, actor: str) -> None:
    """It does not fire until it is resumed; one of the file stays paused whatever the file says."""
    rows = Schedule.objects.filter(pk=schedule.pk, paused_at=None)
    if rows.update(paused_at=timezone.now(), paused_by=actor[:150], next_at=None) == 1:
        record(actor, "paused", f"schedule {schedule}")


@transaction.atomic
def resume(schedule: Schedule, actor: str) -> None:
    """It fires again from its next time on; those in between are not made up for. Raises BadCron, BadTimeZone."""
    next_at = next_after(schedule.cron, schedule.timezone, timezone.now())
    rows = Schedule.objects.filter(pk=schedule.pk).exclude(paused_at=None)
    if rows.update(paused_at=None, paused_by="", next_at=next_at) == 1:
        record(actor, "resumed", f"schedule {schedule}")


@transaction.atomic
def remove(schedule: Schedule, actor: str) -> None:
    """Raises BadSchedule for one that the file has, which would bring it back."""
    if schedule.source == Source.FILE:
        raise BadSchedule(f"{schedule.name} is written in the pipeline file: take it out there, or pause it")
    schedule.delete()
    record(actor, "removed", f"schedule {schedule}")


def _write(project: Project, spec: ScheduleSpec, old: Schedule | None) -> None:
    row = old or Schedule(project=project, source=Source.FILE, name=spec.name)
    is_same = (row.cron, row.timezone) == (spec.cron, spec.timezone)
    row.cron, row.timezone = spec.cron[:120], spec.timezone[:60]
    row.parameters = dict(spec.parameters)
    try:
        row.ref = _ref(project, spec.branch)
    except BadSchedule as error:  # said on its page: the run that brought the file is not to blame
        row.ref, row.next_at, row.problem, is_same = project.default_ref, None, str(error)[:300], False
    else:
        if old is None or not is_same:
            row.next_at, row.problem = (None, "") if row.is_paused else _next(spec)
    if old is None:
        row.save()
        return
    changed = [
        "ref",
        "parameters",
    ]  # not its next time, which a clock may be moving on, nor a pause made in this moment
    row.save(update_fields=changed if is_same else [*changed, "cron", "timezone", "next_at", "problem"])


def _next(spec: ScheduleSpec) -> tuple[datetime | None, str]:
    try:
        return next_after(spec.cron, spec.timezone, timezone.now()), ""
    except UserError as error:
        return None, str(error)[:300]


def _ref(project: Project, branch: str) -> str:
    """In full; a short name is a branch, and none is the default branch."""
    if not branch:
        return project.default_ref
    ref = branch if branch.startswith("refs/") else f"refs/heads/{branch}"
    if ref.startswith(("refs/heads/", "refs/tags/")) and ref.isprintable() and len(ref) <= MAX_REF and " " not in ref:
        return ref
    raise BadSchedule(f"{branch[:80]!r} is no branch, and no full name of a branch or tag")
