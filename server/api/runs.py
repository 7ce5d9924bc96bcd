"""Runs: which there are, how each stands, and starting one."""

from django.http import HttpRequest, HttpResponse
from ninja import Field, Query, Router, Schema
from ninja import Status as Answer

from pipelines.runs import asking, listing
from pipelines.runs.commits import suspects
from pipelines.runs.listing import Wanted
from pipelines.runs.models import EventKind
from pipelines.states.status import Status
from server import fetching
from server.access import Act, Bearer
from server.api import description
from server.api.callers import actor, caller
from server.api.paging import Page, Paging, portion
from server.api.shapes import runs as shapes
from server.api.shapes.runs import RunShape, WholeRun
from server.api.shapes.words import Ref, Short, Value
from server.downloads import artifacts

router = Router(tags=["Runs"])
RUN = "/projects/{slug:project}/runs/{int:number}"


class WantedRuns(Paging):
    """Which runs."""

    ref: Ref = Field("", description="In full, or the name of a branch")
    status: Status | None = None
    kind: EventKind | None = Field(None, description="What they were started by")
    author: Short = ""


class CommitShape(Schema):
    sha: str
    title: str
    author: str


class BroughtShape(Schema):
    """`green` is the last run of the ref before it that succeeded; null without one: then only the run's own commit
    is named."""

    green: int | None
    commits: list[CommitShape]


class Start(Schema):
    """`ref` in full or the name of a branch, empty for the default branch; `parameters` as the pipeline asks for."""

    ref: Ref = Field("", examples=["main"])
    parameters: dict[Short, Value] = Field({}, max_length=50, examples=[{}])


@router.get("/projects/{slug:project}/runs", response=Page[RunShape])
def runs(request: HttpRequest, project: str, wanted: Query[WantedRuns]) -> Page[RunShape]:
    """The runs of a project, newest first."""
    found = fetching.project(caller(request), project)
    ref = asking.full_ref(wanted.ref) if wanted.ref else ""
    rows = listing.page(
        found, Wanted(ref, wanted.status or "", wanted.kind or "", wanted.author), wanted.before, wanted.limit + 1
    )
    return portion(rows, wanted, lambda run: run.number, shapes.run)


@router.post("/projects/{slug:project}/runs", response={201: RunShape})
def start_run(request: HttpRequest, project: str, given: Start) -> Answer[RunShape]:
    """Start a run of a branch or tag, as it is now."""
    found = fetching.project(caller(request), project, Act.RUN)
    kind = EventKind.API if isinstance(caller(request), Bearer) else EventKind.MANUAL
    made = asking.start(found, given.ref.strip(), given.parameters, actor(request), kind)
    return Answer(201, shapes.run(made))


@router.get(RUN, response=WholeRun)
def run(request: HttpRequest, project: str, number: int) -> WholeRun:
    """A run with its stages, their attempts, and what they left."""
    return shapes.whole_run(fetching.run(caller(request), project, number))


@router.get(RUN + "/commits", response=BroughtShape)
def run_commits(request: HttpRequest, project: str, number: int) -> BroughtShape:
    """The commits since the branch was last green, newest first: what may have broken it."""
    brought = suspects(fetching.run(caller(request), project, number))
    commits = [CommitShape(sha=one.sha, title=one.title, author=one.author) for one in brought.commits]
    return BroughtShape(green=brought.green, commits=commits)


FILE = description.raw("application/octet-stream", "The file")


@router.get("/artifacts/{int:artifact}", response={200: None}, url_name="artifact", openapi_extra=FILE)
def artifact(request: HttpRequest, artifact: int) -> HttpResponse:
    """What a stage left, as a file."""
    return artifacts.of(request, caller(request), artifact)  # type: ignore[return-value]  # a stream
