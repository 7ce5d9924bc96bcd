"""The rules in force for a project, and changing them."""

from dataclasses import asdict, dataclass, fields

from django.db import transaction

from pipelines.audit.record import record
from pipelines.errors import UserError
from pipelines.projects.models import Project
from pipelines.retention.models import EVENTS_DAYS_MIN, FOR_EVER, Retention

DAYS_MAX = 36_500
NEWEST = 10  # of each branch, where nobody says how many


class BadRule(UserError):
    """A rule that cannot be meant so."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Days, and how many of each branch; None: not said here, 0: for ever."""

    runs_days: int | None = None
    runs_newest: int | None = None
    logs_days: int | None = None
    artifacts_days: int | None = None
    events_days: int | None = None

    def over(self, general: "Rules") -> "Rules":
        """These, and where they say nothing the general ones."""
        mine, theirs = asdict(self), asdict(general)
        return Rules(**{name: theirs[name] if value is None else value for name, value in mine.items()})

    @property
    def removes(self) -> bool:
        return any((self.runs_days, self.logs_days, self.artifacts_days, self.events_days))


NAMES = tuple(field.name for field in fields(Rules))


def own(project: Project | None) -> Rules:
    """What is said for this project itself, or, without one, for all."""
    row = Retention.objects.filter(project=project).first()
    return Rules(**{name: getattr(row, name) for name in NAMES}) if row else Rules()


def of_projects() -> dict[int, Rules]:
    """What each project says for itself, by its id; in one query."""
    rows = Retention.objects.exclude(project=None)
    return {row.project_id: Rules(**{name: getattr(row, name) for name in NAMES}) for row in rows if row.project_id}


def in_force(project: Project) -> Rules:
    return own(project).over(own(None))


def change(project: Project | None, rules: Rules, actor: str) -> None:
    """Raises BadRule."""
    for name in NAMES:
        _refuse(name, getattr(rules, name))
    said = asdict(rules)
    with transaction.atomic():
        Retention.objects.update_or_create(project=project, defaults={**said, "changed_by": actor[:150]})
        record(actor, "changed the retention", str(project or "all projects"), **said)


def _refuse(name: str, value: int | None) -> None:
    if value is None or (value == FOR_EVER and name != "runs_newest"):
        return
    if not 1 <= value <= DAYS_MAX:
        raise BadRule(f"{name.replace('_', ' ')} is a number from 1 to {DAYS_MAX}")
    if name == "events_days" and value < EVENTS_DAYS_MIN:
        raise BadRule(f"events are kept for {EVENTS_DAYS_MIN} days at least: a code host may deliver them again")
