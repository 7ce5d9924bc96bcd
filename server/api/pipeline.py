"""Pipeline files: whether one is right, and the one that is kept here."""

from datetime import datetime

from django.http import Http404, HttpRequest
from ninja import Field, Query, Router, Schema
from ninja import Status as Answer

from pipelines.projects import pipelines
from pipelines.projects.models import SpecSource, SpecVersion
from pipelines.spec.errors import SpecError
from pipelines.spec.parser import parse
from server import fetching
from server.access import Act
from server.api.callers import actor, caller
from server.api.paging import Page, Paging, portion
from server.api.shapes.words import Short, Why

router = Router(tags=["Pipelines"])
PIPELINE = "/projects/{slug:project}/pipeline"
MAX_TEXT = 256 * 1024  # characters: some five thousand lines


class Lint(Schema):
    text: str = Field(max_length=MAX_TEXT, examples=["image: busybox\nstages: {build: {steps: [make]}}\n"])
    path: Short = ".slipway.yml"


class ProblemShape(Schema):
    file: str
    line: int
    column: int
    key: str
    message: str
    expected: str


class Verdict(Schema):
    is_valid: bool
    problems: list[ProblemShape]


class Version(Schema):
    """A pipeline as somebody saved it here."""

    number: int
    text: str
    author: str
    message: str
    created_at: datetime


class LineOfVersion(Schema):
    """`author` saved it; `restores` is the number of the version that it brought back."""

    number: int
    author: str
    message: str
    restores: int | None
    created_at: datetime


class PipelineShape(Schema):
    """Where runs take the pipeline from; `version` is the newest that is kept here, if any."""

    source: SpecSource
    path: str
    version: Version | None


class Edit(Schema):
    """`based_on` is the number of the version that the caller had before; 0: none."""

    text: str = Field(max_length=MAX_TEXT, examples=["image: busybox\nstages: {build: {steps: [make]}}\n"])
    message: Why = ""
    based_on: int = Field(0, ge=0, le=2**31 - 1)


class Restore(Schema):
    number: int = Field(ge=1, le=2**31 - 1)
    based_on: int = Field(ge=0, le=2**31 - 1)


@router.post("/lint", response=Verdict)
def lint(request: HttpRequest, given: Lint) -> Verdict:
    """Whether a pipeline file is right, and each mistake at its line. Nothing is stored."""
    try:
        parse(given.text, path=given.path or ".slipway.yml")
    except SpecError as error:
        return Verdict(is_valid=False, problems=_problems(error))
    return Verdict(is_valid=True, problems=[])


@router.get(PIPELINE, response=PipelineShape)
def pipeline(request: HttpRequest, project: str) -> PipelineShape:
    """Where a project's pipeline is, and the text of it that is kept here."""
    found = fetching.project(caller(request), project)
    newest = pipelines.current(found)
    kept = kept_version(newest) if newest else None
    return PipelineShape(source=SpecSource(found.spec_source), path=found.spec_path, version=kept)


@router.get(PIPELINE + "/versions", response=Page[LineOfVersion])
def pipeline_versions(request: HttpRequest, project: str, paging: Query[Paging]) -> Page[LineOfVersion]:
    """Every version of a project's pipeline that was kept here, newest first."""
    rows = fetching.project(caller(request), project).spec_versions.defer("text").order_by("-number")
    if (before := paging.before) is not None:
        rows = rows.filter(number__lt=before)
    return portion(list(rows[: paging.limit + 1]), paging, lambda one: one.number, _line)


@router.get(PIPELINE + "/versions/{int:version}", response=Version)
def pipeline_version(request: HttpRequest, project: str, version: int) -> Version:
    """One version with its text."""
    found = fetching.project(caller(request), project).spec_versions.filter(number=version).first()
    if found is None:
        raise Http404
    return kept_version(found)


@router.put(PIPELINE, response={201: Version})
def keep_pipeline(request: HttpRequest, project: str, given: Edit) -> Answer[Version]:
    """Keep a text as the next version, and let runs take it from now on."""
    found = fetching.project(caller(request), project, Act.EDIT_PIPELINE)
    text = given.text.replace("\r\n", "\n")
    kept = pipelines.keep(found, text, actor(request), given.message.strip(), based_on=given.based_on)
    return Answer(201, kept_version(kept))


@router.post(PIPELINE + "/restore", response={201: Version})
def restore_pipeline(request: HttpRequest, project: str, given: Restore) -> Answer[Version]:
    """Bring the text of an earlier version back, as a new one."""
    found = fetching.project(caller(request), project, Act.EDIT_PIPELINE)
    try:
        kept = pipelines.restore(found, given.number, actor(request), based_on=given.based_on)
    except SpecVersion.DoesNotExist as error:
        raise Http404 from error
    return Answer(201, kept_version(kept))


@router.post(PIPELINE + "/leave", response=PipelineShape)
def leave_pipeline(request: HttpRequest, project: str) -> PipelineShape:
    """Let runs take the repository's file again; the versions stay."""
    pipelines.leave(fetching.project(caller(request), project, Act.EDIT_PIPELINE), actor(request))
    return pipeline(request, project)


def _problems(error: SpecError) -> list[ProblemShape]:
    return [
        ProblemShape(
            file=one.path or error.path,
            line=one.line,
            column=one.column,
            key=one.key_path,
            message=one.message,
            expected=one.expected,
        )
        for one in error.problems
    ]


def _line(row: SpecVersion) -> LineOfVersion:
    return LineOfVersion(
        number=row.number, author=row.author, message=row.message, restores=row.restores, created_at=row.created_at
    )


def kept_version(row: SpecVersion) -> Version:
    return Version(number=row.number, text=row.text, author=row.author, message=row.message, created_at=row.created_at)
