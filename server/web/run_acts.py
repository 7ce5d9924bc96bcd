"""What people do with a run: once more, a word on what waits for one, let foreign code in, stop."""

from collections.abc import Callable

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST

from pipelines.errors import LostRace, UserError
from pipelines.runs import approvals, lifecycle, reruns
from pipelines.runs.models import Run, Stage
from server import access
from server.access import Act
from server.web import fetching

_ANSWER = "answer-"  # what a form calls the answers to a stage's questions


@login_required
@require_POST
def cancel(request: HttpRequest, project: str, number: int) -> HttpResponse:
    found = fetching.run(request, project, number, Act.CANCEL)
    lifecycle.cancel(found, access.actor(request.user))
    return redirect("run", project, number)


@login_required
@require_POST
def rerun(request: HttpRequest, project: str, number: int) -> HttpResponse:
    """All of it, or with `only=failed` what did not succeed."""
    found = fetching.run(request, project, number, Act.RUN)
    only_failed = request.POST.get("only") == "failed"
    try:
        made = reruns.rerun(found, access.actor(request.user), only_failed=only_failed)
    except UserError as error:
        messages.error(request, f"Not started: {error}.")
        return redirect("run", project, number)
    return redirect("run", project, made.number)


@login_required
@require_POST
def approve(request: HttpRequest, project: str, number: int) -> HttpResponse:
    def say(stage: Stage, person: User, actor: str) -> str:
        answers = {
            name.removeprefix(_ANSWER): value for name, value in request.POST.items() if name.startswith(_ANSWER)
        }
        enough = approvals.approve(stage, person, actor, {name: str(value) for name, value in answers.items()})
        return f"{stage.name} starts." if enough else f"Your approval of {stage.name} is noted; more are needed."

    return _word(request, project, number, say)


@login_required
@require_POST
def refuse(request: HttpRequest, project: str, number: int) -> HttpResponse:
    def say(stage: Stage, person: User, actor: str) -> str:
        approvals.refuse(stage, person, actor, request.POST.get("reason", "").strip()[:200])
        return f"{stage.name} will not start."

    return _word(request, project, number, say)


@login_required
@require_POST
def approve_fork(request: HttpRequest, project: str, number: int) -> HttpResponse:
    """The commit that the person has looked at comes with the form: another one is not let in."""
    found = fetching.run(request, project, number, Act.APPROVE_FORK)
    try:
        person = request.user if isinstance(request.user, User) else None
        approvals.approve_run(found, access.actor(request.user), request.POST.get("sha", ""), person)
    except (UserError, LostRace) as error:
        messages.error(request, f"Not let in: {error}.")
    return redirect("run", project, number)


def _word(request: HttpRequest, project: str, number: int, say: Callable[[Stage, User, str], str]) -> HttpResponse:
    found = fetching.run(request, project, number, Act.APPROVE)
    stage = _named(found, request.POST.get("stage", ""))
    assert isinstance(request.user, User)
    try:
        messages.success(request, say(stage, request.user, access.actor(request.user)))
    except (UserError, LostRace) as error:
        messages.error(request, f"Not taken: {error}.")
    return redirect(f"{reverse('run', args=[project, number])}?{urlencode({'stage': stage.name})}")


def _named(run: Run, name: str) -> Stage:
    for stage in run.stages.all():
        if stage.name == name:
            return stage
    raise Http404
