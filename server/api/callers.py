"""Who calls: the bearer of a token, or the person of a browser's session."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from ninja.errors import AuthenticationError, HttpError
from ninja.security import APIKeyCookie, HttpBearer
from ninja.utils import check_csrf

from pipelines.people import tokens
from server import access, addresses
from server.access import Bearer, Person


class Token(HttpBearer):
    """`Authorization: Bearer slip_…`"""

    def authenticate(self, request: HttpRequest, token: str) -> Bearer:
        """Raises AuthenticationError: who shows a bad token is not let in by a session instead."""
        found = tokens.bearer_of(token.strip(), address=addresses.client(request))
        if found is None:
            raise AuthenticationError(message="this token is not known, has expired or was revoked: make a new one")
        return Bearer(found)


class Session(APIKeyCookie):
    """The session of somebody who is signed in; what changes something needs the form's token in `X-CSRFToken`."""

    param_name = settings.SESSION_COOKIE_NAME

    def __call__(self, request: HttpRequest) -> User | None:
        if not isinstance(request.user, User) or not request.user.is_active:
            return None
        if check_csrf(request) is not None:
            raise HttpError(403, "a browser's session needs its CSRF token, in the header X-CSRFToken")
        return request.user

    def authenticate(self, request: HttpRequest, key: str | None) -> Any:
        """Django has done that."""
        raise NotImplementedError


def caller(request: HttpRequest) -> Person:
    """Whoever was let in."""
    person: Person = request.auth  # type: ignore[attr-defined]  # ninja's
    return person


def actor(request: HttpRequest) -> str:
    """As ledgers name who calls."""
    return access.actor(caller(request))


def name_of(person: Person) -> str:
    """Under which somebody is counted."""
    return f"token-{person.token.pk}" if isinstance(person, Bearer) else f"person-{person.pk}"


def person(request: HttpRequest) -> User | None:
    """The person who calls, or for whom a token does; None for a machine's token."""
    asks = caller(request)
    found = asks.token.person if isinstance(asks, Bearer) else asks
    return found if isinstance(found, User) else None


def human(request: HttpRequest, act: str) -> User:
    """As `person`; raises PermissionDenied for a machine, whose word is nobody's."""
    found = person(request)
    if found is None:
        raise PermissionDenied(f"to {act} takes a person: a machine's token gives nobody's word")
    return found


def require_operator(request: HttpRequest, act: str) -> None:
    """Raises PermissionDenied for everybody but operators and their unbounded tokens."""
    if not access.is_operator(caller(request)):
        raise PermissionDenied(f"to {act} takes an operator, or an operator's token for everything")
