"""What people do with a deploy: pause it, let it go on, agree to it, answer what it asks, stop it."""

from collections.abc import Callable

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from pipelines.deploys import approvals, followups, queue, requests, waits
from pipelines.deploys.models import Deploy
from pipelines.errors import LostRace, UserError
from server import access
from server.access import Act
from server.web import fetching

MAX_WHY = 300  # characters


@login_required
@require_POST
def cancel(request: HttpRequest, project: str, number: int) -> HttpResponse:
    found = fetching.deploy(request, project, number, Act.CANCEL_DEPLOY)
    requests.cancel(found, access.actor(request.user), why(request))
    return redirect("deploy", project, number)


@login_required
@require_POST
def abort(request: HttpRequest, project: str, number: int) -> HttpResponse:
    """Stop it and go back."""
    return _follow(request, project, number, Act.ROLL_BACK, followups.abort)


@login_required
@require_POST
def pause(request: HttpRequest, project: str, number: int) -> HttpResponse:
    return _act(request, project, number, Act.CANCEL_DEPLOY, waits.pause)


@login_required
@require_POST
def go_on(request: HttpRequest, project: str, number: int) -> HttpResponse:
    """The wait that the person was shown comes with the form: another one is not ended."""
    seen = request.POST.get("seen", "")
    return _act(request, project, number, Act.DEPLOY, lambda found, actor: waits.go_on(found, actor, seen))


@login_required
@require_POST
def accept_hosts(request: HttpRequest, project: str, number: int) -> HttpResponse:
    """The plan that the person was shown comes with the form: other hosts are not accepted."""

    def accept(deploy: Deploy, actor: str) -> None:
        waits.accept_hosts(deploy, actor, request.POST.get("plan", ""))

    return _act(request, project, number, Act.DEPLOY, accept)


@login_required
@require_POST
def finish_forward(request: HttpRequest, project: str, number: int) -> HttpResponse:
    return _follow(request, project, number, Act.DEPLOY, followups.finish_forward)


@login_required
@require_POST
def bring_back(request: HttpRequest, project: str, number: int) -> HttpResponse:
    return _follow(request, project, number, Act.ROLL_BACK, followups.bring_back)


@login_required
@require_POST
def approve(request: HttpRequest, project: str, number: int) -> HttpResponse:
    """The plan that the person was shown comes with the form: another one is not approved."""

    def say(deploy: Deploy, person: User, actor: str) -> None:
        approvals.approve(deploy, person, actor, request.POST.get("plan", ""))

    return _word(request, project, number, say)


@login_required
@require_POST
def refuse(request: HttpRequest, project: str, number: int) -> HttpResponse:
    def say(deploy: Deploy, person: User, actor: str) -> None:
        approvals.refuse(deploy, person, actor, why(request))

    return _word(request, project, number, say)


@login_required
@require_POST
def override(request: HttpRequest, project: str, number: int) -> HttpResponse:
    """Let a deploy that waits pass what keeps it away."""

    def let(deploy: Deploy, actor: str) -> None:
        queue.override(deploy, actor, why(request))

    return _act(request, project, number, Act.OVERRIDE, let)


def why(request: HttpRequest) -> str:
    """The reason that a form brings."""
    return request.POST.get("why", "").strip()[:MAX_WHY]


def _act(
    request: HttpRequest, project: str, number: int, act: Act, verb: Callable[[Deploy, str], object]
) -> HttpResponse:
    found = fetching.deploy(request, project, number, act)
    try:
        verb(found, access.actor(request.user))
    except (UserError, LostRace) as error:
        messages.error(request, f"Not done: {error}.")
    return redirect("deploy", project, number)


def _follow(
    request: HttpRequest, project: str, number: int, act: Act, verb: Callable[[Deploy, str, str], Deploy]
) -> HttpResponse:
    """To the deploy that follows."""
    found = fetching.deploy(request, project, number, act)
    try:
        made = verb(found, access.actor(request.user), why(request))
    except (UserError, LostRace) as error:
        messages.error(request, f"Nothing was started: {error}.")
        return redirect("deploy", project, number)
    return redirect("deploy", project, made.number)


def _word(request: HttpRequest, project: str, number: int, say: Callable[[Deploy, User, str], object]) -> HttpResponse:
    found = fetching.deploy(request, project, number, Act.APPROVE_DEPLOY)
    access.require(request.user, access.approving(found.environment), found.environment.project)
    assert isinstance(request.user, User)
    try:
        say(found, request.user, access.actor(request.user))
    except (UserError, LostRace) as error:
        messages.error(request, f"Not taken: {error}.")
    if request.POST.get("back") == "environment":
        return redirect("environment", project, found.environment.name)
    return redirect("deploy", project, number)
