"""Every "may they": nothing else decides who sees or does what."""

from enum import Enum

from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404

from pipelines.deploys.models import Environment
from pipelines.projects.models import Member, Project, Role

Person = User | AnonymousUser

_RANK = {role: rank for rank, role in enumerate(Role)}


class Act(Enum):
    """What can be done in a project."""

    VIEW = "view"
    RUN = "start a run"
    CANCEL = "cancel a run"
    APPROVE = "approve a stage"
    APPROVE_FORK = "let a fork's code run"
    EDIT_PIPELINE = "edit the pipeline"
    SCHEDULE = "change schedules"
    DEPLOY = "deploy"
    ROLL_BACK = "roll back"
    CANCEL_DEPLOY = "cancel a deploy"
    OVERRIDE = "deploy in spite of locks, freezes and missing agreement"
    APPROVE_DEPLOY = "approve a deploy"
    LIFT = "lift a quarantine"
    LOCK = "lock an environment or order its queue"
    PROBE = "look at hosts"
    TRUST = "approve host keys"
    ADMINISTER = "administer"


# The least role that may.
_LEAST = {
    Act.VIEW: Role.VIEWER,
    Act.RUN: Role.DEVELOPER,
    Act.CANCEL: Role.DEVELOPER,
    Act.APPROVE: Role.DEVELOPER,  # and a member of a team that the stage names
    Act.APPROVE_FORK: Role.MAINTAINER,
    Act.EDIT_PIPELINE: Role.MAINTAINER,
    Act.SCHEDULE: Role.MAINTAINER,
    Act.DEPLOY: Role.MAINTAINER,
    Act.ROLL_BACK: Role.MAINTAINER,
    Act.CANCEL_DEPLOY: Role.MAINTAINER,  # a deploy that stops halfway changes production as much as one that begins
    Act.OVERRIDE: Role.OWNER,
    Act.APPROVE_DEPLOY: Role.DEVELOPER,  # and whoever the environment asks, who neither wrote nor asked for it
    Act.LIFT: Role.MAINTAINER,
    Act.LOCK: Role.MAINTAINER,
    Act.PROBE: Role.MAINTAINER,
    Act.TRUST: Role.MAINTAINER,
    Act.ADMINISTER: Role.OWNER,
}


def is_operator(person: Person) -> bool:
    """Operators run the server: they may do everything."""
    return person.is_active and person.is_superuser


def visible_projects(person: Person) -> QuerySet[Project]:
    """The projects that a person sees at all; nobody sees anything without signing in."""
    if is_operator(person):
        return Project.objects.all()
    if not person.is_authenticated or not person.is_active:
        return Project.objects.none()
    return Project.objects.filter(members__team__in=person.groups.all()).distinct()


def may(person: Person, act: Act, project: Project) -> bool:
    if is_operator(person):
        return True
    role = role_in(person, project)
    return role is not None and _RANK[role] >= _RANK[_LEAST[act]]


def role_in(person: Person, project: Project) -> Role | None:
    """The highest role that a person's teams give them."""
    if not person.is_authenticated or not person.is_active:
        return None
    roles = Member.objects.filter(project=project, team__in=person.groups.all()).values_list("role", flat=True)
    return max((Role(role) for role in roles), key=_RANK.__getitem__, default=None)


def require(person: Person, act: Act, project: Project) -> None:
    """Raises Http404 for a project that the person does not see, PermissionDenied for an act that they may not do."""
    if not may(person, Act.VIEW, project):
        raise Http404
    if not may(person, act, project):
        raise PermissionDenied(f"to {act.value} in {project} takes the role {_LEAST[act].value}")


def approving(environment: Environment) -> Act:
    """What it takes to give one's word on deploys there: where no team is named, that one may deploy oneself."""
    return Act.APPROVE_DEPLOY if environment.approver_team_id is not None else Act.DEPLOY


def actor(person: Person) -> str:
    """How a person stands in ledgers: the name for reading, the number because names change. At most 150 characters."""
    return f"{person.get_username()[:128]} (#{person.pk})"


def acts(person: Person, project: Project) -> frozenset[Act]:
    """All that a person may do in a project, in one query."""
    if is_operator(person):
        return frozenset(Act)
    role = role_in(person, project)
    return frozenset(act for act in Act if role is not None and _RANK[role] >= _RANK[_LEAST[act]])


def least_role(act: Act) -> Role:
    return _LEAST[act]
