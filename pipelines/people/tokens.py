"""Make tokens, find whose one is, and revoke them."""

import hashlib
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from pipelines.audit.record import record
from pipelines.people.models import Scope, Token
from pipelines.projects.models import Project, Role

MARK = "slip_"  # so that scanners of leaked secrets, and people, know one when they see it
_PREFIX_LENGTH = 10
_USE_NOTED_SECONDS = 60  # its last use is noted no oftener: a write for each request would cost more than the request


def personal(
    person: User,
    name: str,
    scopes: Collection[Scope],
    expires_at: datetime | None,
    *,
    project: Project | None,
    by: str,
    address: str = "",
) -> tuple[Token, str]:
    """A token of a person, and its text, which is shown once and kept nowhere."""
    return _made(Token(person=person, project=project), name, scopes, expires_at, (by, address))


def machine(
    project: Project,
    role: Role,
    name: str,
    scopes: Collection[Scope],
    expires_at: datetime | None,
    *,
    by: str,
    address: str = "",
) -> tuple[Token, str]:
    """A token of a program that works for a project, and its text, which is shown once and kept nowhere."""
    return _made(Token(project=project, role=role), name, scopes, expires_at, (by, address))


def bearer_of(text: str, *, address: str = "") -> Token | None:
    """The token with that text, if it is good: neither revoked nor expired, its person active. Its use is noted, the
    first one in the audit, with the address that it came from."""
    if not text.startswith(MARK):
        return None
    token = good().filter(digest=_digest(text)).select_related("person", "project").first()
    if token is not None:
        _note_use(token, address)
    return token


def good() -> QuerySet[Token]:
    """Those that open something now."""
    unexpired = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    return Token.objects.filter(unexpired, Q(person=None) | Q(person__is_active=True), revoked_at=None)


def of_person(person: User) -> QuerySet[Token]:
    return Token.objects.filter(person=person).select_related("project")


def of_project(project: Project) -> QuerySet[Token]:
    """Of its programs; what people may do with theirs is their own affair."""
    return Token.objects.filter(project=project, person=None)


def revoke(token: Token, *, by: str, address: str = "") -> None:
    """For good; harmless when it is revoked already."""
    with transaction.atomic():
        if Token.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
            record(by, "revoked", str(token), **_facts(token), address=address)


def _made(
    token: Token, name: str, scopes: Collection[Scope], expires_at: datetime | None, maker: tuple[str, str]
) -> tuple[Token, str]:
    """`maker` is who makes it, and from which address."""
    by, address = maker
    text = MARK + secrets.token_urlsafe(32)
    token.name, token.prefix, token.digest = name, text[:_PREFIX_LENGTH], _digest(text)
    token.scopes, token.expires_at, token.created_by = sorted({*scopes, Scope.READ}), expires_at, by
    with transaction.atomic():
        token.save()
        record(by, "made", str(token), **_facts(token), address=address)
    return token, text


def _facts(token: Token) -> dict[str, Any]:
    expires = token.expires_at.isoformat() if token.expires_at else ""
    whose = token.person.get_username() if token.person else ""
    project = token.project.name if token.project else ""
    return {"person": whose, "project": project, "role": token.role, "scopes": token.scopes, "expires_at": expires}


def _note_use(token: Token, address: str) -> None:
    now = timezone.now()
    if token.last_used_at is None:
        _note_first_use(token, address)
    elif now - token.last_used_at > timedelta(seconds=_USE_NOTED_SECONDS):
        Token.objects.filter(pk=token.pk).update(last_used_at=now)


def _note_first_use(token: Token, address: str) -> None:
    """Of several uses at once one is the first."""
    with transaction.atomic():
        if Token.objects.filter(pk=token.pk, last_used_at=None).update(last_used_at=timezone.now()):
            whose = f"{token.person.get_username()[:120]} (#{token.person.pk})" if token.person else f"{token}"
            record(whose, "first used", str(token), **_facts(token), address=address)


def _digest(text: str) -> str:
    """Of 256 random bits: nothing can be guessed, so nothing need be slow."""
    return hashlib.sha256(text.encode()).hexdigest()
