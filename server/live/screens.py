"""Who looks at the wall: a person who is signed in, or a screen by its own cookie, which opens nothing but the wall."""

from collections.abc import Mapping

from django.conf import settings
from django.db.models import QuerySet

from pipelines.projects.models import Project
from pipelines.screens import lifecycle as screens
from server import access
from server.access import Visitor

PATH = "/wall"  # browsers send a screen's cookies with the wall and its socket alone
_PREFIX = "__Secure-" if settings.SESSION_COOKIE_SECURE else ""
KEY_COOKIE = f"{_PREFIX}slipway-screen"
SECRET_COOKIE = f"{_PREFIX}slipway-screen-asks"  # while it waits to be paired


def projects_for(person: Visitor, cookies: Mapping[str, str]) -> QuerySet[Project] | None:
    """What the wall shows to whoever brings these cookies; None for a browser that neither signed in nor was paired."""
    if person.is_authenticated:
        return access.visible_projects(person)
    key = cookies.get(KEY_COOKIE)
    screen = screens.screen_of(key) if key else None
    return access.projects_on(screen) if screen else None
