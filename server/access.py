"""Every "may they": nothing else decides who sees or does what."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404

from pipelines.audit import actors
from pipelines.deploys.models import Environment
from pipelines.people import tokens
from pipelines.people.models import Scope, Token
from pipelines.projects.models import Member, Project, Role
from pipelines.screens import lifecycle as screens
from pipelines.screens.models import Screen


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whoever shows a token: its person or, without one, a machine. Never more than the token's scopes allow."""

    token: Token


Visitor = User | AnonymousUser  # who comes with a browser
Person = Visitor | Bearer

WHY_NO_SCREEN = "to pair a screen takes the role owner in a project that it shows"
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
    NOTIFY = "see and change who hears of what"
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
    Act.NOTIFY: Role.MAINTAINER,  # seeing it too: mail addresses, and what outsiders answered
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

# What a token must be made for, to be used for that.
_SCOPE = {
    Act.VIEW: Scope.READ,
    Act.RUN: Scope.RUN,
    Act.CANCEL: Scope.RUN,
    Act.APPROVE: Scope.RUN,
    Act.APPROVE_FORK: Scope.RUN,
    Act.EDIT_PIPELINE: Scope.ADMINISTER,
    Act.SCHEDULE: Scope.ADMINISTER,
    Act.NOTIFY: Scope.ADMINISTER,
    Act.DEPLOY: Scope.DEPLOY,
    Act.ROLL_BACK: Scope.DEPLOY,
    Act.CANCEL_DEPLOY: Scope.DEPLOY,
    Act.OVERRIDE: Scope.DEPLOY,
    Act.APPROVE_DEPLOY: Scope.DEPLOY,
    Act.LIFT: Scope.DEPLOY,
    Act.LOCK: Scope.DEPLOY,
    Act.PROBE: Scope.DEPLOY,
    Act.TRUST: Scope.ADMINISTER,
    Act.ADMINISTER: Scope.ADMINISTER,
}


def is_operator(person: Person) -> bool:
    """Operators run the server: they may do everything. Of their tokens, those that are bounded by nothing."""
    if isinstance(person, Bearer):
        token = person.token
        unbounded = token.project_id is None and set(Scope) <= set(token.scopes)
        return unbounded and token.person is not None and is_operator(token.person)
    return person.is_active and person.is_superuser


def visible_projects(person: Person) -> QuerySet[Project]:
    """The projects that a person sees at all; nobody sees anything without signing in."""
    if isinstance(person, Bearer):
        token = person.token
        seen = visible_projects(token.person) if token.person else _plain_projects()
        return seen if token.project_id is None else seen.filter(pk=token.project_id)
    if is_operator(person):
        return _plain_projects()
    if not person.is_authenticated or not person.is_active:
        return Project.objects.none()
    return _plain_projects().filter(members__team__in=person.groups.all()).distinct()


def _plain_projects() -> QuerySet[Project]:
    """Without their secrets: to decrypt those of every project for every list takes longer than the list."""
    return Project.objects.defer("webhook_secret", "code_host_token", "deploy_key")


def own_projects(person: Visitor) -> QuerySet[Project]:
    """The projects of a person's teams; an operator sees more than these."""
    if not person.is_authenticated:
        return Project.objects.none()
    return Project.objects.filter(members__team__in=person.groups.all()).distinct()


def administered_projects(person: Person) -> QuerySet[Project]:
    """The projects that a person owns; of an operator, all. Of a token those that it is for, if it is to administer."""
    if isinstance(person, Bearer):
        return _administered_with(person.token)
    if is_operator(person):
        return Project.objects.all()
    if not person.is_authenticated or not person.is_active:
        return Project.objects.none()
    owned = Project.objects.filter(members__team__in=person.groups.all(), members__role=Role.OWNER)
    return owned.distinct()


def _administered_with(token: Token) -> QuerySet[Project]:
    """Nothing for machines: what a screen shows is answered for by a person."""
    if token.person is None or Scope.ADMINISTER not in token.scopes:
        return Project.objects.none()
    owned = administered_projects(token.person)
    return owned if token.project_id is None else owned.filter(pk=token.project_id)


def screens_of(person: Person) -> QuerySet[Screen]:
    """Those that a person has paired, of operators all. A token of one project sees none: they name others."""
    if is_operator(person):
        return screens.listed()
    if not isinstance(person, Bearer):
        return screens.listed().filter(person=account(person))
    is_free = person.token.project_id is None
    return screens.listed().filter(person=person.token.person) if is_free else Screen.objects.none()


def projects_on(screen: Screen) -> QuerySet[Project]:
    """What a wall's screen shows: of the projects chosen for it, those that whoever paired it still administers."""
    owned = administered_projects(screen.person)
    return owned if screen.shows_all else owned.filter(pk__in=screen.projects.values("pk"))


def may(person: Person, act: Act, project: Project) -> bool:
    if isinstance(person, Bearer):
        return act in acts(person, project)
    if is_operator(person):
        return True
    role = role_in(person, project)
    return role is not None and _RANK[role] >= _RANK[_LEAST[act]]


def role_in(person: Visitor, project: Project) -> Role | None:
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
        raise PermissionDenied(f"to {act.value} in {project} takes {_lacking(person, act, project)}")


def _lacking(person: Person, act: Act, project: Project) -> str:
    """What a person would need to have: the role or, where that is there already, a token with the scope."""
    if isinstance(person, Bearer) and _SCOPE[act] not in person.token.scopes:
        token = person.token
        by_role = acts(token.person, project) if token.person else _acts_of_role(Role(token.role))
        if act in by_role:
            return f"a token with the scope {_SCOPE[act].value}"
    return f"the role {_LEAST[act].value}"


def approving(environment: Environment) -> Act:
    """What it takes to give one's word on deploys there: where no team is named, that one may deploy oneself."""
    return Act.APPROVE_DEPLOY if environment.approver_team_id is not None else Act.DEPLOY


def account(visitor: Visitor) -> User:
    """Of somebody whom a page has let in already."""
    if not isinstance(visitor, User):
        raise PermissionDenied("to do that takes an account")
    return visitor


def actor(person: Person) -> str:
    """How a person stands in ledgers: the name for reading, the number because names change. At most 150 characters."""
    if not isinstance(person, Bearer):
        return f"{person.get_username()[:128]} (#{person.pk})"
    token = person.token
    if token.person is None:
        return actors.program(f"token {token.name} of {token.project}", token.created_by)
    return f"{token.person.get_username()[:60]} by token {token.name} (#{token.person.pk})"


def acts(person: Person, project: Project) -> frozenset[Act]:
    """All that a person may do in a project, in one query."""
    if isinstance(person, Bearer):
        return _acts_of_token(person.token, project)
    if is_operator(person):
        return frozenset(Act)
    return _acts_of_role(role_in(person, project))


def _acts_of_token(token: Token, project: Project) -> frozenset[Act]:
    if token.project_id not in (None, project.pk):
        return frozenset()
    allowed = acts(token.person, project) if token.person else _acts_of_role(Role(token.role))
    return frozenset(act for act in allowed if _SCOPE[act] in token.scopes)


def _acts_of_role(role: Role | None) -> frozenset[Act]:
    return frozenset(act for act in Act if role is not None and _RANK[role] >= _RANK[_LEAST[act]])


def own_tokens(person: Person) -> QuerySet[Token]:
    """A person's own. A token sees itself alone: what else its person has made is no affair of who has found it."""
    if isinstance(person, Bearer):
        return Token.objects.filter(pk=person.token.pk)
    return tokens.of_person(account(person))


def require_scope(person: Person, scope: Scope, act: str) -> None:
    """For what is no affair of a project. Raises PermissionDenied for a token that was not made for it."""
    if isinstance(person, Bearer) and scope not in person.token.scopes:
        raise PermissionDenied(f"to {act} takes a token with the scope {scope.value}")


def require_unbound(person: Person, act: str) -> None:
    """Raises PermissionDenied for a token of one project."""
    if isinstance(person, Bearer) and person.token.project_id is not None:
        raise PermissionDenied(f"to {act} takes a token that is not bound to one project")


def require_presence(person: Person) -> User:
    """Who makes a token for themselves; raises PermissionDenied for a token: whoever has found one would have another
    that outlives it."""
    if isinstance(person, Bearer):
        raise PermissionDenied("a token makes none for its person: sign in, and make it on your account's page")
    return account(person)


def require_less(person: Person, scopes: Collection[Scope], expires_at: datetime | None) -> None:
    """Of a machine's token that somebody makes by their own: it may no more and lasts no longer. Raises
    PermissionDenied for what goes beyond, and for machines, whose tokens nobody would answer for."""
    if not isinstance(person, Bearer):
        return
    token = person.token
    if token.person is None:
        raise PermissionDenied("to make a token takes a person: a machine's token makes none")
    if beyond := [scope.value for scope in scopes if scope not in token.scopes]:
        raise PermissionDenied(f"a token makes none that may more than itself: it lacks the scope {', '.join(beyond)}")
    if token.expires_at is not None and (expires_at is None or expires_at > token.expires_at):
        raise PermissionDenied(f"a token makes none that lasts longer than itself: until {token.expires_at:%Y-%m-%d}")


def least_role(act: Act) -> Role:
    return _LEAST[act]
