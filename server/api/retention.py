"""How long the record is kept, and what rules would remove now, before they do."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import Field

from pipelines.projects.models import Project
from pipelines.retention import candidates, rules
from pipelines.retention.candidates import Amount
from pipelines.retention.models import Sweep
from pipelines.retention.rules import DAYS_MAX, Rules
from server import fetching
from server.access import Act
from server.api import description
from server.api.callers import actor, caller, require_operator
from server.api.paging import Page

router = Router(tags=["Retention"])
OF_SERVER, OF_PROJECT = "/retention", "/projects/{slug:project}/retention"
ACT = "set how long the record is kept"
FORBIDDEN = description.forbidden()
Days = Annotated[int, Field(ge=0, le=DAYS_MAX)] | None


class Saying(Schema):
    """Days, and how many of each branch. Null says nothing: a project then follows the server's rule, and without any
    the record is kept for ever, which 0 says too."""

    runs_days: Days = None
    runs_newest: Annotated[int, Field(ge=1, le=DAYS_MAX)] | None = None
    logs_days: Days = None
    artifacts_days: Days = None
    events_days: Days = None

    @property
    def rules(self) -> Rules:
        return Rules(**self.model_dump())


class SweepShape(Schema):
    """When the clock last looked for what is to go, and what it last removed."""

    ended_at: datetime | None
    removed: dict[str, Any]


class RetentionShape(Schema):
    """`own` is what is said here, `in_force` what that comes to with the server's rules."""

    own: Saying
    in_force: Saying
    sweep: SweepShape


class AmountShape(Schema):
    """What would go of a project; bytes of logs are those of their text, of artifacts those in storage."""

    project: str
    runs: int
    logs: int
    log_bytes: int
    artifacts: int
    artifact_bytes: int
    events: int


@router.get(OF_SERVER, response=RetentionShape, openapi_extra=FORBIDDEN)
def retention(request: HttpRequest) -> RetentionShape:
    """The rules of all projects, where they say nothing else. It takes an operator."""
    require_operator(request, ACT)
    return _told(None)


@router.put(OF_SERVER, response=RetentionShape)
def change_retention(request: HttpRequest, given: Saying) -> RetentionShape:
    """Say all rules of the server anew: the clock then removes what is to go. It takes an operator."""
    require_operator(request, ACT)
    rules.change(None, given.rules, actor(request))
    return _told(None)


@router.get(OF_SERVER + "/preview", response=Page[AmountShape], openapi_extra=FORBIDDEN)
def preview_retention(request: HttpRequest, wanted: Query[Saying]) -> Page[AmountShape]:
    """What these rules would remove now, by project, in one portion. Nothing is changed. It takes an operator."""
    require_operator(request, ACT)
    return _previewed(None, wanted)


@router.get(OF_PROJECT, response=RetentionShape, openapi_extra=FORBIDDEN)
def project_retention(request: HttpRequest, project: str) -> RetentionShape:
    """The rules of a project."""
    return _told(fetching.project(caller(request), project, Act.ADMINISTER))


@router.put(OF_PROJECT, response=RetentionShape)
def change_project_retention(request: HttpRequest, project: str, given: Saying) -> RetentionShape:
    """Say all rules of a project anew: the clock then removes what is to go."""
    found = fetching.project(caller(request), project, Act.ADMINISTER)
    rules.change(found, given.rules, actor(request))
    return _told(found)


@router.get(OF_PROJECT + "/preview", response=Page[AmountShape], openapi_extra=FORBIDDEN)
def preview_project_retention(request: HttpRequest, project: str, wanted: Query[Saying]) -> Page[AmountShape]:
    """What these rules would remove of a project now. Nothing is changed."""
    return _previewed(fetching.project(caller(request), project, Act.ADMINISTER), wanted)


def _told(project: Project | None) -> RetentionShape:
    own = rules.own(project)
    in_force = rules.in_force(project) if project else own
    sweep = Sweep.objects.filter(pk=1).first()
    swept = SweepShape(ended_at=sweep.ended_at if sweep else None, removed=sweep.removed if sweep else {})
    return RetentionShape(own=Saying(**asdict(own)), in_force=Saying(**asdict(in_force)), sweep=swept)


def _previewed(project: Project | None, wanted: Saying) -> Page[AmountShape]:
    found = candidates.preview(project, wanted.rules, timezone.now())
    return Page(items=[_amount(one, amount) for one, amount in found])


def _amount(project: Project, found: Amount) -> AmountShape:
    return AmountShape(project=project.name, **asdict(found))
