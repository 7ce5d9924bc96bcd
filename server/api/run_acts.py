"""What is done to a run: stop it, run it again, a word on what waits for one, let foreign code in."""

from django.http import Http404, HttpRequest
from ninja import Field, Router, Schema
from ninja import Status as Answer

from pipelines.runs import approvals, lifecycle, reruns
from pipelines.runs.models import Run, Stage
from server import fetching
from server.access import Act
from server.api.callers import actor, caller, human
from server.api.runs import RUN
from server.api.shapes import runs as shapes
from server.api.shapes.runs import RunShape, WholeRun
from server.api.shapes.words import Reasoned, Short, Value

router = Router(tags=["Runs"])
STAGE = RUN + "/stages/{stage}"


class Rerun(Schema):
    """Of what ended badly alone, or of all."""

    only_failed: bool = False


class Answers(Schema):
    """What the stage asks for, name to text."""

    answers: dict[Short, Value] = Field({}, max_length=50, examples=[{}])


class LetIn(Schema):
    """The commit that somebody has looked at: another one is not let in."""

    sha: Short = Field(examples=["0123456789abcdef0123456789abcdef01234567"])


@router.post(RUN + "/cancel", response=WholeRun)
def cancel_run(request: HttpRequest, project: str, number: int) -> WholeRun:
    """Stop a run: what runs in it is asked to stop, the rest does not begin. Twice is harmless."""
    lifecycle.cancel(fetching.run(caller(request), project, number, Act.CANCEL), actor(request))
    return _now(request, project, number)


@router.post(RUN + "/rerun", response={201: RunShape})
def rerun(request: HttpRequest, project: str, number: int, given: Rerun) -> Answer[RunShape]:
    """Run the same commit once more. What is under way already is given back instead."""
    found = fetching.run(caller(request), project, number, Act.RUN)
    made = reruns.rerun(found, actor(request), only_failed=given.only_failed)
    return Answer(201, shapes.run(Run.objects.select_related("project", "rerun_of", "release").get(pk=made.pk)))


@router.post(STAGE + "/approve", response=WholeRun)
def approve_stage(request: HttpRequest, project: str, number: int, stage: str, given: Answers) -> WholeRun:
    """Agree that a stage starts, with the answers that it asks for."""
    found = _stage(request, project, number, stage)
    approvals.approve(found, human(request, "approve a stage"), actor(request), given.answers)
    return _now(request, project, number)


@router.post(STAGE + "/refuse", response=WholeRun)
def refuse_stage(request: HttpRequest, project: str, number: int, stage: str, given: Reasoned) -> WholeRun:
    """Say no to a stage: it does not start, and neither does what needs it."""
    found = _stage(request, project, number, stage)
    approvals.refuse(found, human(request, "refuse a stage"), actor(request), given.why.strip())
    return _now(request, project, number)


@router.post(RUN + "/let-in", response=WholeRun)
def let_run_in(request: HttpRequest, project: str, number: int, given: LetIn) -> WholeRun:
    """Let a fork's code run that somebody has looked at."""
    found = fetching.run(caller(request), project, number, Act.APPROVE_FORK)
    who = human(request, "let a fork's code run")
    approvals.approve_run(found, actor(request), given.sha, who)
    return _now(request, project, number)


def _stage(request: HttpRequest, project: str, number: int, name: str) -> Stage:
    found = fetching.run(caller(request), project, number, Act.APPROVE)
    for stage in found.stages.all():
        if stage.name == name:
            return stage
    raise Http404


def _now(request: HttpRequest, project: str, number: int) -> WholeRun:
    return shapes.whole_run(fetching.run(caller(request), project, number))
