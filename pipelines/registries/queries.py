"""Which sign-in counts for whom."""

from dataclasses import dataclass, field

from django.db.models import F

from pipelines.projects.models import Project
from pipelines.registries.models import Registry


@dataclass(frozen=True, slots=True)
class Standing:
    """What a project is to a registry. `mine` is None when nothing is listed for it. `guarded`: somebody else signs in
    there, so what lies on a machine with that registry's name may be theirs alone."""

    mine: Registry | None = field(repr=False)
    guarded: bool


def usable(project: Project) -> list[Registry]:
    """All that the project may sign in to; its own entry goes before everybody's."""
    found = Registry.objects.filter(project=project) | Registry.objects.filter(project=None)
    return list({each.host: each for each in found.order_by(F("project").asc(nulls_first=True))}.values())


def guarded(project: Project) -> set[str]:
    """Hosts where others sign in with what is not this project's."""
    others = Registry.objects.exclude(username="").exclude(project=project).exclude(project=None)
    return {host.lower() for host in others.values_list("host", flat=True)}


def signed_in() -> set[str]:
    """Hosts where anybody signs in."""
    return {host.lower() for host in Registry.objects.exclude(username="").values_list("host", flat=True)}


def standing(project: Project, host: str) -> Standing:
    """The project's own entry goes before everybody's."""
    listed = Registry.objects.filter(host__iexact=host)
    usable = listed.filter(project=project) | listed.filter(project=None)
    mine = usable.order_by(F("project").asc(nulls_last=True)).first()
    others = listed.exclude(username="").exclude(project=project).exclude(project=None)
    return Standing(mine, others.exists())
