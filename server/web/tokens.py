"""Tokens for programs: a person's own, and those of a project. The text of a new one is shown once."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from pipelines.errors import UserError
from pipelines.people import tokens
from pipelines.people.models import Scope, Token
from pipelines.projects.models import Project, Role
from server import access, addresses
from server.access import Act
from server.web import fetching

LIFETIMES = {"30": "30 days", "90": "90 days", "365": "a year", "": "no end"}
Made = tuple[Token, str]


class BadToken(UserError):
    """What was asked for is no token."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a form says of a new token. The scope to read is in every one."""

    name: str
    scopes: list[Scope]
    expires_at: datetime | None


@login_required
@never_cache
def personal(request: HttpRequest) -> HttpResponse:
    """The list, the form, and once the text of the token that was just made."""
    person = access.account(request.user)
    seen = access.visible_projects(person).order_by("name")

    def make() -> Made:
        asked, project = _asked(request), _bound(request, seen)
        by, address = access.actor(person), addresses.client(request)
        return tokens.personal(
            person, asked.name, asked.scopes, asked.expires_at, project=project, by=by, address=address
        )

    return _page(request, "account/tokens.html", make, tokens.of_person(person), {"projects": seen})


@login_required
@require_POST
def revoke(request: HttpRequest, token_id: int) -> HttpResponse:
    person = access.account(request.user)
    _revoke(request, get_object_or_404(tokens.of_person(person), pk=token_id))
    return redirect("tokens")


@login_required
@never_cache
def of_project(request: HttpRequest, project: str) -> HttpResponse:
    """As `personal`, for programs that work for a project, whoever comes and goes among its people."""
    found = fetching.project(request, project, Act.ADMINISTER)

    def make() -> Made:
        asked, role = _asked(request), _role(request)
        by, address = access.actor(request.user), addresses.client(request)
        return tokens.machine(found, role, asked.name, asked.scopes, asked.expires_at, by=by, address=address)

    page = {"project": found, "roles": Role.choices}
    return _page(request, "project_tokens.html", make, tokens.of_project(found), page)


@login_required
@require_POST
def revoke_of_project(request: HttpRequest, project: str, token_id: int) -> HttpResponse:
    found = fetching.project(request, project, Act.ADMINISTER)
    _revoke(request, get_object_or_404(tokens.of_project(found), pk=token_id))
    return redirect("project-tokens", project)


def _page(
    request: HttpRequest, template: str, make: Callable[[], Made], listed: QuerySet[Token], page: dict[str, Any]
) -> HttpResponse:
    """After a POST the answer itself carries the text: nothing is kept to show it once more."""
    made, problem = None, ""
    if request.method == "POST":
        try:
            made = make()
        except UserError as error:
            problem = str(error)
    page |= {"made": made[0] if made else None, "text": made[1] if made else "", "problem": problem}
    page |= {"tokens": listed.order_by("-pk"), "scopes": Scope.choices, "lifetimes": LIFETIMES.items()}
    page |= {"given": {} if made else request.POST, "chosen": [] if made else request.POST.getlist("scope")}
    return render(request, template, page, status=400 if problem else 200)


def _revoke(request: HttpRequest, token: Token) -> None:
    tokens.revoke(token, by=access.actor(request.user), address=addresses.client(request))
    messages.success(request, f"{token.name} opens nothing any more.")


def _asked(request: HttpRequest) -> Asked:
    """Raises BadToken."""
    name, days = request.POST.get("name", "").strip(), request.POST.get("days", "90")
    if not name or len(name) > 60:
        raise BadToken("say in at most 60 signs what it is for")
    if days not in LIFETIMES:
        raise BadToken("choose how long it is good")
    scopes = [Scope(scope) for scope in request.POST.getlist("scope") if scope in Scope.values]
    return Asked(name, scopes, timezone.now() + timedelta(days=int(days)) if days else None)


def _role(request: HttpRequest) -> Role:
    """Raises BadToken."""
    role = request.POST.get("role", "")
    if role not in Role.values:
        raise BadToken("choose the role that it has in the project")
    return Role(role)


def _bound(request: HttpRequest, seen: QuerySet[Project]) -> Project | None:
    """The one project that it is good for, if one is chosen. Raises BadToken."""
    name = request.POST.get("project", "")
    project = seen.filter(name=name).first() if name else None
    if name and project is None:
        raise BadToken(f"there is no project {name[:60]!r} that you see")
    return project
