"""Adding a project, and setting it up: its repository, its code host, the pipeline that it begins with."""

from typing import Annotated, Literal

from django.contrib.auth.models import Group
from django.http import Http404, HttpRequest
from ninja import Field, Router, Schema
from ninja import Status as Answer
from ninja.errors import HttpError
from pydantic import StringConstraints

from pipelines.probes import lifecycle as probes
from pipelines.probes.models import Kind, Probe
from pipelines.projects.models import Project
from pipelines.setup import lifecycle
from pipelines.states.status import Status
from server import fetching
from server.access import Act
from server.api import description
from server.api.callers import actor, caller, human, require_operator
from server.api.me import router as projects  # an address belongs to one router
from server.api.pipeline import Version, kept_version
from server.api.shapes.probes import ProbeShape, probe
from server.api.shapes.setup import NewProject, SetupShape, new_project, setup
from server.api.shapes.words import PRINTABLE, Number, Short

router = Router(tags=["Set-up"])
SETUP = "/projects/{slug:project}/setup"
ABSENT = description.forbidden(description.absent())
Look = Literal["repository", "code_host"]
Url = Annotated[str, StringConstraints(max_length=500, pattern=PRINTABLE, strip_whitespace=True)]
Team = Annotated[str, StringConstraints(max_length=150, pattern=PRINTABLE, strip_whitespace=True)]
Token = Annotated[str, StringConstraints(max_length=1000, pattern=PRINTABLE, strip_whitespace=True)]


class Adding(Schema):
    """Who owns it: a `team` that is there, or a `new_team` with the caller in it; without either only operators see
    it. `token` is what a private repository is read with over https; it is kept encrypted and never told."""

    name: str = Field(max_length=60, pattern=r"^[A-Za-z0-9_-]+$", examples=["shop"])
    clone_url: Url = Field(min_length=1, examples=["git@github.com:example/shop.git"])
    default_branch: Short = Field("main", min_length=1)
    team: Team = ""
    new_team: Team = ""
    token: Token = ""


class ChangingProject(Schema):
    """What is left out stays as it is. An empty `token` forgets the one that is kept."""

    default_branch: Short | None = Field(None, min_length=1, examples=["main"])
    token: Token | None = None


class Trying(Schema):
    clone_url: Url = Field(min_length=1, examples=["https://git.example.org/shop.git"])


class Approving(Schema):
    """Fingerprints of keys that the look `scan` has shown. They take the place of all others of the same names."""

    scan: Number = Field(description="The id of the look in which they were compared")
    keys: list[Short] = Field(min_length=1, max_length=100, examples=[["SHA256:4sLw"]])


class Beginning(Schema):
    """`starter` is the `key` of one of the `starters` in the answer of the look at the repository; empty: the first."""

    starter: Short = ""


@projects.post("/projects", response={201: NewProject})
def add_project(request: HttpRequest, given: Adding) -> Answer[NewProject]:
    """Add a project. It takes an operator. The answer has the secret of its webhook, this once."""
    require_operator(request, "add a project")
    person = human(request, "add a project")
    made = Project(name=given.name, clone_url=given.clone_url, default_branch=given.default_branch)
    made.code_host_token = given.token
    lifecycle.add(made, person, actor(request), team=_team(given), new_team=given.new_team)
    return Answer(201, new_project(made))


@projects.patch("/projects/{slug:project}", response=SetupShape)
def change_project(request: HttpRequest, project: str, given: ChangingProject) -> SetupShape:
    """Another default branch or access token; the repository is read with it at once."""
    found = fetching.project(caller(request), project, Act.ADMINISTER)
    lifecycle.change(found, actor(request), token=given.token, branch=given.default_branch)
    return setup(found)


@router.post("/looks/clone_url", response={202: ProbeShape})
def try_clone_url(request: HttpRequest, given: Trying) -> Answer[ProbeShape]:
    """Let a worker try whether a repository can be reached without a token. It takes an operator."""
    require_operator(request, "try a clone URL")
    return Answer(202, probe(lifecycle.try_url(given.clone_url, actor(request))))


@router.get("/looks/clone_url/{int:probe_id}", response=ProbeShape, openapi_extra=ABSENT)
def tried_clone_url(request: HttpRequest, probe_id: int) -> ProbeShape:
    """What came of trying a clone URL: `answer` has the repository's default `branch`. It takes an operator."""
    require_operator(request, "try a clone URL")
    found = Probe.objects.filter(kind=Kind.CLONE_URL, pk=probe_id).first()
    if found is None:
        raise Http404
    return probe(found)


@router.get(SETUP, response=SetupShape, openapi_extra=description.forbidden())
def project_setup(request: HttpRequest, project: str) -> SetupShape:
    """How far a project's set-up has come: the webhook, the keys, what was found in the repository."""
    return setup(fetching.project(caller(request), project, Act.ADMINISTER))


@router.post(SETUP + "/looks/{kind}", response={202: ProbeShape})
def look_at_code(request: HttpRequest, project: str, kind: Look) -> Answer[ProbeShape]:
    """Let a worker read the repository, or the keys that its host shows. `GET …/setup` has what it found."""
    found = fetching.project(caller(request), project, Act.ADMINISTER)
    return Answer(202, probe(probes.ask(Kind(kind), found.pk, actor(request))))


@router.post(SETUP + "/keys", response=SetupShape)
def approve_code_host_keys(request: HttpRequest, project: str, given: Approving) -> SetupShape:
    """Trust keys that somebody has compared with those that the code host publishes. It takes a person."""
    found = fetching.project(caller(request), project, Act.ADMINISTER)
    human(request, "approve the keys of a code host")
    scan = Probe.objects.filter(kind=Kind.CODE_HOST, subject_id=found.pk, status=Status.SUCCEEDED, pk=given.scan)
    if (seen := scan.first()) is None:
        raise Http404
    lifecycle.approve_keys(found, seen, given.keys, actor(request))
    return setup(found)


@router.post(SETUP + "/pipeline", response={201: Version})
def start_from(request: HttpRequest, project: str, given: Beginning) -> Answer[Version]:
    """Keep a pipeline that suits what was found in the repository on this server. The next run takes it."""
    found = fetching.project(caller(request), project, Act.EDIT_PIPELINE)
    return Answer(201, kept_version(lifecycle.start_from(found, given.starter, actor(request))))


def _team(given: Adding) -> Group | None:
    """Raises HttpError."""
    if given.team and given.new_team:
        raise HttpError(422, "name a team that is there, or a new one, not both")
    found = Group.objects.filter(name=given.team).first() if given.team else None
    if given.team and found is None:
        raise HttpError(422, f"there is no team {given.team[:60]!r}")
    return found
