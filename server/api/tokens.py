"""Tokens: which there are, making and revoking them. The text of one is told once, to whoever makes it."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Field, Query, Router, Schema
from ninja import Status as Answer
from ninja.errors import HttpError
from pydantic import StringConstraints

from pipelines.people import tokens as verbs
from pipelines.people.models import Scope, Token
from pipelines.projects.models import Project, Role
from server import access, addresses, fetching
from server.access import Act
from server.api import description
from server.api.callers import actor, caller
from server.api.paging import Page, Paging, portion
from server.api.shapes.words import PRINTABLE, Moment, Short

router = Router(tags=["Tokens"])
MINE, OF_PROJECT = "/me/tokens", "/projects/{slug:project}/tokens"
Name = Annotated[str, StringConstraints(min_length=1, max_length=60, pattern=PRINTABLE, strip_whitespace=True)]


class TokenShape(Schema):
    """`prefix` are its first signs, to tell one from another; `project` is the one that it is good for, if it is bound
    to one; `role` is that of a machine's token."""

    id: int
    name: str
    prefix: str
    scopes: list[Scope]
    project: str | None
    role: Role | None
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class NewToken(TokenShape):
    text: str = Field(description="What a program shows: kept nowhere, and told in this answer alone")


class Making(Schema):
    """`read` is in every token. `expires_at` is null for one that has no end."""

    name: Name = Field(examples=["release script"])
    scopes: list[Scope] = Field([], max_length=10)
    expires_at: Moment | None = Field(examples=["2100-01-01T00:00:00Z"])


class MakingMine(Making):
    project: Short = Field("", description="The one that it is good for; empty: all that you see")


class MakingForProject(Making):
    role: Role


@router.get(MINE, response=Page[TokenShape])
def my_tokens(request: HttpRequest, paging: Query[Paging]) -> Page[TokenShape]:
    """One's own tokens, newest first, also those that open nothing any more. Asked with a token: that one alone."""
    return _listed(access.own_tokens(caller(request)), paging)


@router.post(MINE, response={201: NewToken}, openapi_extra=description.forbidden())
def make_my_token(request: HttpRequest, response: HttpResponse, given: MakingMine) -> Answer[NewToken]:
    """Make a token for oneself. It takes the session of somebody who is signed in: a token makes none for its
    person."""
    person = access.require_presence(caller(request))
    seen = access.visible_projects(person).filter(name=given.project).first() if given.project else None
    if given.project and seen is None:
        raise HttpError(422, f"there is no project {given.project[:60]!r} that you see")
    by, address = actor(request), addresses.client(request)

    def make(expires_at: datetime | None) -> tuple[Token, str]:
        return verbs.personal(person, given.name, given.scopes, expires_at, project=seen, by=by, address=address)

    return _made(given, response, make)


@router.delete(MINE + "/{int:token}", response={204: None})
def revoke_my_token(request: HttpRequest, token: int) -> Answer[None]:
    """Let a token of one's own open nothing any more. A token revokes itself alone."""
    return _revoked(request, access.own_tokens(caller(request)), token)


@router.get(OF_PROJECT, response=Page[TokenShape], openapi_extra=description.forbidden())
def project_tokens(request: HttpRequest, project: str, paging: Query[Paging]) -> Page[TokenShape]:
    """The tokens of a project's programs, newest first."""
    return _listed(verbs.of_project(_owned(request, project)), paging)


@router.post(OF_PROJECT, response={201: NewToken})
def make_project_token(
    request: HttpRequest, response: HttpResponse, project: str, given: MakingForProject
) -> Answer[NewToken]:
    """Make a token for a program of a project. Made with a token, it has none but its scopes and lasts no longer; a
    machine's token makes none."""
    found = _owned(request, project)
    access.require_less(caller(request), given.scopes, given.expires_at)
    by, address = actor(request), addresses.client(request)

    def make(expires_at: datetime | None) -> tuple[Token, str]:
        return verbs.machine(found, given.role, given.name, given.scopes, expires_at, by=by, address=address)

    return _made(given, response, make)


@router.delete(OF_PROJECT + "/{int:token}", response={204: None})
def revoke_project_token(request: HttpRequest, project: str, token: int) -> Answer[None]:
    """Let the token of a program open nothing any more."""
    return _revoked(request, verbs.of_project(_owned(request, project)), token)


def _owned(request: HttpRequest, project: str) -> Project:
    return fetching.project(caller(request), project, Act.ADMINISTER)


def _listed(rows: QuerySet[Token], paging: Paging) -> Page[TokenShape]:
    rows = rows.select_related("project").order_by("-pk")
    if (before := paging.before) is not None:
        rows = rows.filter(pk__lt=before)
    return portion(list(rows[: paging.limit + 1]), paging, lambda one: one.pk, _token)


def _made(
    given: Making, response: HttpResponse, make: Callable[[datetime | None], tuple[Token, str]]
) -> Answer[NewToken]:
    """Raises HttpError for one that would have expired already."""
    if given.expires_at is not None and given.expires_at <= timezone.now():
        raise HttpError(422, "expires_at: that moment is over")
    row, text = make(given.expires_at)
    response["Cache-Control"] = "no-store"
    return Answer(201, NewToken(**dict(_token(row)), text=text))


def _revoked(request: HttpRequest, rows: QuerySet[Token], token: int) -> Answer[None]:
    if (found := rows.filter(pk=token).first()) is None:
        raise Http404
    verbs.revoke(found, by=actor(request), address=addresses.client(request))
    return Answer(204, None)


def _token(row: Token) -> TokenShape:
    return TokenShape(
        id=row.pk,
        name=row.name,
        prefix=row.prefix,
        scopes=[Scope(scope) for scope in row.scopes],
        project=row.project.name if row.project else None,
        role=Role(row.role) if row.role else None,
        created_by=row.created_by,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )
