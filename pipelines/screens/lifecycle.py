"""Pair screens by the code that they show, know them by their key, and revoke them.

The code is a keyed digest of a secret that only the screen's browser has: who reads the code from the wall cannot come
in the screen's place, and a browser that nobody has paired leaves no row.
"""

import hashlib
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac

from pipelines.audit.record import record
from pipelines.errors import UserError
from pipelines.projects.models import Project
from pipelines.screens.models import Screen

CODE_LENGTH = 8
_SIGNS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # 32 that nobody takes for one another
_MAX_SECRET = 100  # characters
EXPECTED_SECONDS = 600  # how long a paired screen may take to come for its key
_SEEN_NOTED_SECONDS = 60  # that it was seen is noted no oftener


class BadCode(UserError):
    """What was typed is no code of a screen."""


def new_secret() -> str:
    """What a browser keeps while it shows its code."""
    return secrets.token_urlsafe(32)


def code_of(secret: str) -> str:
    """The code of a browser with that secret: eight signs, the same each time."""
    digest = salted_hmac("slipway.screens.code", secret[:_MAX_SECRET], algorithm="sha256").digest()
    return "".join(_SIGNS[byte % len(_SIGNS)] for byte in digest[:CODE_LENGTH])


def pair(person: User, name: str, code: str, projects: Collection[Project] | None, *, by: str) -> Screen:
    """Expect the screen that shows `code`. `projects`: None for all that the person administers. Raises BadCode."""
    typed = _typed(code)
    with transaction.atomic():
        _expected().filter(code_digest=_digest(typed)).delete()  # paired once more: the last word counts
        screen = Screen.objects.create(person=person, name=name, shows_all=projects is None, code_digest=_digest(typed))
        screen.projects.set(projects or ())
        shown = "all" if projects is None else sorted(project.name for project in projects)
        record(by, "paired", str(screen), projects=shown)
    return screen


def claim(secret: str) -> str | None:
    """The key of the screen whose browser has that secret, if somebody has typed its code; handed out once."""
    screen = _expected().filter(code_digest=_digest(code_of(secret))).order_by("-pk").first()
    if screen is None:
        return None
    key, now = secrets.token_urlsafe(32), timezone.now()
    mine = Screen.objects.filter(pk=screen.pk, came_at=None)
    taken = mine.update(digest=_digest(key), code_digest="", came_at=now, last_seen_at=now)
    return key if taken else None


def screen_of(key: str) -> Screen | None:
    """The screen with that key, unless it was revoked or its person is gone. That it was seen is noted."""
    screen = good().filter(digest=_digest(key)).select_related("person").first()
    if screen is not None:
        _note_seen(screen)
    return screen


def good() -> QuerySet[Screen]:
    """Those that show something now."""
    return Screen.objects.filter(came_at__isnull=False, revoked_at=None, person__is_active=True)


def listed() -> QuerySet[Screen]:
    """Those that show something or are expected, the newest first."""
    screens = Screen.objects.filter(revoked_at=None).exclude(came_at=None, paired_at__lt=_oldest())
    return screens.select_related("person").prefetch_related("projects").order_by("-pk")


def revoke(screen: Screen, *, by: str) -> None:
    """For good; harmless when it is revoked already."""
    with transaction.atomic():
        if Screen.objects.filter(pk=screen.pk, revoked_at=None).update(revoked_at=timezone.now()):
            record(by, "revoked", str(screen), paired_by=screen.person.get_username())


def _typed(code: str) -> str:
    """As it stands on the screen, whatever spaces, dashes and small letters were typed."""
    typed = code.replace(" ", "").replace("-", "").upper()
    if len(typed) != CODE_LENGTH or not set(typed) <= set(_SIGNS):
        raise BadCode(f"A screen's code is {CODE_LENGTH} letters and digits, without 0, 1, I and O.")
    return typed


def _expected() -> QuerySet[Screen]:
    return Screen.objects.filter(came_at=None, revoked_at=None, paired_at__gte=_oldest(), person__is_active=True)


def _oldest() -> datetime:
    return timezone.now() - timedelta(seconds=EXPECTED_SECONDS)


def _note_seen(screen: Screen) -> None:
    now = timezone.now()
    if screen.last_seen_at is None or now - screen.last_seen_at > timedelta(seconds=_SEEN_NOTED_SECONDS):
        Screen.objects.filter(pk=screen.pk).update(last_seen_at=now)


def _digest(text: str) -> str:
    """Of random bits: nothing can be guessed, so nothing need be slow."""
    return hashlib.sha256(text.encode()).hexdigest()
