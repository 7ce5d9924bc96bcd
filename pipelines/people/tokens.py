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
    person: User, name: str, scopes: Collection[Scope], expires_at: datetime | None, *, project: Project | None, by: str
) -> tuple[Token, str]:
    """A token of a person, and its text, which is shown once and kept nowhere."""
    return _made(Token(person=person, project=project), name, scopes, expires_at, by)


def machine(
    project: Project, role: Role, name: str, scopes: Collection[Scope], expires_at: datetime | None, *, by: str
) -> tuple[Token, str]:
    """A token of a program that works for a project, and its text, which is shown once and kept nowhere."""
    return _made(Token(project=project, role=role), name, scopes, expires_at, by)


def bearer_of(text: str) -> Token | None:
    """The token with that text, if it is good: neither revoked nor expired, its person active. Its use is noted."""
    if not text.startswith(MARK):
        return None
    token = good().filter(digest=_digest(text)).select_related("person", "project").first()
    if token is not None:
        _note_use(token)
    return token


def good() -> QuerySet[Token]:
    """Those that open something now."""
    unexpired = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    return Token.objects.filter(unexpired, Q(person=None) | Q(person__is_active=True), revoked_at=None)


def revoke(token: Token, *, by: str) -> None:
    """For good; harmless when it is revoked already."""
    with transaction.atomic():
        if Token.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
            record(by, "revoked", str(token), **_facts(token))


def _made(
    token: Token, name: str, scopes: Collection[Scope], expires_at: datetime | None, by: str
) -> tuple[Token, str]:
    text = MARK + secrets.token_urlsafe(32)
    token.name, token.prefix, token.digest = name, text[:_PREFIX_LENGTH], _digest(text)
    token.scopes, token.expires_at, token.created_by = sorted({*scopes, Scope.READ}), expires_at, by
    with transaction.atomic():
        token.save()
        record(by, "made", str(token), **_facts(token))
    return token, text


def _facts(token: Token) -> dict[str, Any]:
    expires = token.expires_at.isoformat() if token.expires_at else ""
    whose = token.person.get_username() if token.person else ""
    project = token.project.name if token.project else ""
    return {"person": whose, "project": project, "role": token.role, "scopes": token.scopes, "expires_at": expires}


def _note_use(token: Token) -> None:
    now = timezone.now()
    if token.last_used_at is None or now - token.last_used_at > timedelta(seconds=_USE_NOTED_SECONDS):
        Token.objects.filter(pk=token.pk).update(last_used_at=now)


def _digest(text: str) -> str:
    """Of 256 random bits: nothing can be guessed, so nothing need be slow."""
    return hashlib.sha256(text.encode()).hexdigest()
