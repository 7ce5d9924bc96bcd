"""Which teams have which role in a project."""

from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet

from pipelines.audit.record import record
from pipelines.errors import UserError
from pipelines.projects.models import Member, Project, Role


class BadMember(UserError):
    """That team cannot have that role, or not lose it."""


def of_project(project: Project) -> QuerySet[Member]:
    """With the people of each team."""
    members = project.members.select_related("team").prefetch_related("team__user_set")
    return members.order_by("team__name")


def outside(project: Project) -> QuerySet[Group]:
    """The teams that have no role there yet."""
    return Group.objects.exclude(memberships__project=project).order_by("name")


def named(project: Project, name: str) -> Group:
    """The team of that name, to be let in. Raises BadMember where there is none that has no role there yet."""
    team = outside(project).filter(name=name).first()
    if team is None:
        raise BadMember(f"there is no team {name[:60]!r} that has no role here yet")
    return team


def add(project: Project, team: Group, role: Role, *, by: str, address: str = "") -> Member:
    """Raises BadMember for a team that has a role there already."""
    try:
        with transaction.atomic():
            member = Member.objects.create(project=project, team=team, role=role)
            record(by, "let a team in", f"{team} in {project}", role=role.value, address=address)
    except IntegrityError as error:
        raise BadMember(f"{team} has a role in {project} already: change that one") from error
    return member


def change(member: Member, role: Role, *, by: str, address: str = "") -> None:
    """Raises BadMember for the last team of owners."""
    with transaction.atomic():
        if role != Role.OWNER:
            _check_another_owns(member)
        if Member.objects.filter(pk=member.pk).exclude(role=role).update(role=role):
            subject = f"{member.team} in {member.project}"
            record(by, "changed a team's role", subject, role=role.value, before=member.role, address=address)


def remove(member: Member, *, by: str, address: str = "") -> None:
    """Its people see the project no more, unless another team of theirs has a role there. Raises BadMember."""
    with transaction.atomic():
        _check_another_owns(member)
        if Member.objects.filter(pk=member.pk).delete()[0]:
            record(by, "put a team out", f"{member.team} in {member.project}", role=member.role, address=address)


def _check_another_owns(member: Member) -> None:
    """Somebody has to be left who can mend a mistake: of two teams that go at once, the second is looked at after."""
    Project.objects.filter(pk=member.project_id).update(name=F("name"))  # so that the second waits
    others = member.project.members.filter(role=Role.OWNER).exclude(pk=member.pk)
    if member.role == Role.OWNER and not others.exists():
        raise BadMember(f"{member.team} is the last team that owns {member.project}: give another one that role first")
