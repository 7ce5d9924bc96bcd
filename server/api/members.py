"""Who may what in a project: its teams, their people and roles."""

from django.http import Http404, HttpRequest
from ninja import Field, Router, Schema
from ninja import Status as Answer

from pipelines.people import teams
from pipelines.projects.models import Member, Project, Role
from server import addresses, fetching
from server.access import Act
from server.api import description
from server.api.callers import actor, caller
from server.api.paging import Page
from server.api.shapes.words import Short

router = Router(tags=["Members"])
MEMBERS = "/projects/{slug:project}/members"


class MemberShape(Schema):
    """A team with its role in the project, and the names of its people."""

    id: int
    team: str
    role: Role
    people: list[str]


class TeamShape(Schema):
    name: str


class Joining(Schema):
    team: Short = Field(min_length=1, examples=["shop"])
    role: Role = Role.DEVELOPER


class GivingRole(Schema):
    role: Role


@router.get(MEMBERS, response=Page[MemberShape], openapi_extra=description.forbidden())
def members(request: HttpRequest, project: str) -> Page[MemberShape]:
    """The teams of a project, in one portion."""
    found = fetching.project(caller(request), project, Act.ADMINISTER)
    return Page(items=[_member(one) for one in teams.of_project(found)])


@router.get("/projects/{slug:project}/teams", response=Page[TeamShape], openapi_extra=description.forbidden())
def other_teams(request: HttpRequest, project: str) -> Page[TeamShape]:
    """The teams that have no role in a project yet, in one portion."""
    found = fetching.project(caller(request), project, Act.ADMINISTER)
    return Page(items=[TeamShape(name=one.name) for one in teams.outside(found)])


@router.post(MEMBERS, response={201: MemberShape})
def add_member(request: HttpRequest, project: str, given: Joining) -> Answer[MemberShape]:
    """Let a team in."""
    found = fetching.project(caller(request), project, Act.ADMINISTER)
    team, address = teams.named(found, given.team), addresses.client(request)
    made = teams.add(found, team, given.role, by=actor(request), address=address)
    return Answer(201, _member(_one(found, made.pk)))


@router.patch(MEMBERS + "/{int:member}", response=MemberShape)
def change_member(request: HttpRequest, project: str, member: int, given: GivingRole) -> MemberShape:
    """Give a team another role. The last team that owns a project keeps that one."""
    found = fetching.project(caller(request), project, Act.ADMINISTER)
    teams.change(_one(found, member), given.role, by=actor(request), address=addresses.client(request))
    return _member(_one(found, member))


@router.delete(MEMBERS + "/{int:member}", response={204: None})
def remove_member(request: HttpRequest, project: str, member: int) -> Answer[None]:
    """Put a team out. The last team that owns a project stays."""
    found = fetching.project(caller(request), project, Act.ADMINISTER)
    teams.remove(_one(found, member), by=actor(request), address=addresses.client(request))
    return Answer(204, None)


def _one(project: Project, member: int) -> Member:
    if (found := teams.of_project(project).filter(pk=member).first()) is None:
        raise Http404
    return found


def _member(one: Member) -> MemberShape:
    people = sorted(person.username for person in one.team.user_set.all())
    return MemberShape(id=one.pk, team=one.team.name, role=Role(one.role), people=people)
