"""What people do with an environment: deploy, roll back, lock it, order its queue."""

from collections.abc import Callable
from datetime import timedelta

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from pipelines.deploys import inspections, locks, queue, releases, requests, rollbacks
from pipelines.deploys.models import Deploy, Environment, LockLevel
from pipelines.errors import LostRace, UserError
from server import access
from server.access import Act
from server.web import fetching
from server.web.deploy_acts import why

# How long a lock may be taken for, in seconds; 0: until somebody releases it.
LOCK_SECONDS = {
    "3600": "for 1 hour",
    "14400": "for 4 hours",
    "86400": "for a day",
    "604800": "for a week",
    "0": "until it is released",
}


@login_required
@require_POST
def deploy(request: HttpRequest, project: str, name: str) -> HttpResponse:
    """With `override`, a reason, in spite of what keeps deploys away."""
    override = request.POST.get("override", "").strip()[:300]
    found = fetching.environment(request, project, name, Act.OVERRIDE if override else Act.DEPLOY)
    release = get_object_or_404(found.project.releases, number=_number(request))
    try:
        made = requests.request(
            found, release, access.actor(request.user), why(request), override=override, person=_person(request)
        )
    except (UserError, LostRace) as error:
        return _refused(request, found, error)
    return redirect("deploy", project, made.number)


@login_required
@require_POST
def roll_back(request: HttpRequest, project: str, name: str) -> HttpResponse:
    """With `override`, a reason, in spite of locks."""
    override = request.POST.get("override", "").strip()[:300]
    found = fetching.environment(request, project, name, Act.OVERRIDE if override else Act.ROLL_BACK)
    release = get_object_or_404(found.project.releases, number=_number(request))
    try:
        rollbacks.check_live(found, fetching.whole_number(request.POST.get("live")))
        made = rollbacks.roll_back(found, release, access.actor(request.user), why(request), override=override)
    except (UserError, LostRace) as error:
        return _refused(request, found, error)
    return redirect("deploy", project, made.number)


@login_required
@require_POST
def repair(request: HttpRequest, project: str, name: str) -> HttpResponse:
    """Put the hosts right that are named, or all that differ from the record."""

    def put_right(environment: Environment, actor: str) -> None:
        names = request.POST.getlist("host") or inspections.drifted(environment)
        inspections.repair(environment, names, actor, why(request))

    return _act(request, project, name, Act.DEPLOY, put_right)


@login_required
@require_POST
def lift(request: HttpRequest, project: str, name: str, number: int) -> HttpResponse:
    """Let a quarantined release be deployed again, in every environment of the project."""

    def let(environment: Environment, actor: str) -> None:
        releases.lift(get_object_or_404(environment.project.releases, number=number), actor, why(request))

    return _act(request, project, name, Act.LIFT, let)


@login_required
@require_POST
def lock(request: HttpRequest, project: str, name: str) -> HttpResponse:
    def take(environment: Environment, actor: str) -> None:
        seconds = request.POST.get("seconds", "0")
        if seconds not in LOCK_SECONDS or request.POST.get("level") not in LockLevel.values:
            raise Http404
        until = timezone.now() + timedelta(seconds=int(seconds)) if int(seconds) else None
        level = LockLevel(request.POST["level"])
        locks.take(environment, _person(request), actor, why(request), level=level, expires_at=until)

    return _act(request, project, name, Act.LOCK, take)


@login_required
@require_POST
def unlock(request: HttpRequest, project: str, name: str) -> HttpResponse:
    def release(environment: Environment, actor: str) -> None:
        number = fetching.whole_number(request.POST.get("lock"))
        held = next((one for one in locks.held(environment) if one.pk == number), None)
        if held is None or held.environment_id is None:
            raise Http404
        locks.release(held, actor, why(request))

    return _act(request, project, name, Act.LOCK, release)


@login_required
@require_POST
def pause(request: HttpRequest, project: str, name: str) -> HttpResponse:
    return _act(request, project, name, Act.LOCK, lambda found, actor: queue.pause(found, actor, why(request)))


@login_required
@require_POST
def resume(request: HttpRequest, project: str, name: str) -> HttpResponse:
    return _act(request, project, name, Act.LOCK, lambda found, actor: queue.resume(found, actor, why(request)))


@login_required
@require_POST
def go_first(request: HttpRequest, project: str, name: str) -> HttpResponse:
    def first(environment: Environment, actor: str) -> None:
        queue.first(_waiting(request, environment), actor, why(request))

    return _act(request, project, name, Act.LOCK, first)


@login_required
@require_POST
def withdraw(request: HttpRequest, project: str, name: str) -> HttpResponse:
    """Cancel a deploy that waits, from the queue."""

    def cancel(environment: Environment, actor: str) -> None:
        requests.cancel(_waiting(request, environment), actor, why(request))

    return _act(request, project, name, Act.CANCEL_DEPLOY, cancel)


def _act(
    request: HttpRequest, project: str, name: str, act: Act, verb: Callable[[Environment, str], object]
) -> HttpResponse:
    found = fetching.environment(request, project, name, act)
    try:
        verb(found, access.actor(request.user))
    except (UserError, LostRace) as error:
        messages.error(request, f"Not done: {error}.")
    return redirect("environment", project, name)


def _waiting(request: HttpRequest, environment: Environment) -> Deploy:
    number = fetching.whole_number(request.POST.get("deploy"))
    return get_object_or_404(environment.deploys, number=number, finished_at=None)


def _number(request: HttpRequest) -> int:
    return fetching.whole_number(request.POST.get("release")) or 0


def _person(request: HttpRequest) -> User | None:
    return request.user if isinstance(request.user, User) else None


def _refused(request: HttpRequest, environment: Environment, error: Exception) -> HttpResponse:
    messages.error(request, f"Nothing was started: {error}.")
    return redirect("environment", environment.project.name, environment.name)
