"""The wall: how everything stands, for a big screen that nobody touches. It needs no sign-in where it was paired.

A browser that is neither signed in nor paired is shown a code; somebody who owns a project types it on their own page,
and the browser comes for its key, which it keeps as a cookie. Nothing secret stands in an address.
"""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from pipelines.screens import lifecycle as screens
from server.live.screens import KEY_COOKIE, PATH, SECRET_COOKIE, projects_for
from server.reads import standings

_KEPT_SECONDS = 400 * 86400  # browsers keep a cookie no longer; each look at the wall renews it
_ASKS_SECONDS = 86400
_THEMES = ("light", "dark")


@require_safe
@never_cache
def wall(request: HttpRequest) -> HttpResponse:
    """Whoever may see nothing is shown a code, and no record is made of them."""
    projects = projects_for(request.user, request.COOKIES)
    if projects is None:
        return _ask(request)
    found = list(projects.order_by("name"))
    response = _drawn(request, "wall.html", {"standing": standings.of(found), "now": timezone.now()})
    if not request.user.is_authenticated:
        _keep(response, KEY_COOKIE, request.COOKIES[KEY_COOKIE], _KEPT_SECONDS)
    return response


def _ask(request: HttpRequest) -> HttpResponse:
    secret = request.COOKIES.get(SECRET_COOKIE) or screens.new_secret()
    key = screens.claim(secret)
    code = "" if key else screens.code_of(secret)
    response = _drawn(request, "wall_code.html", {"code": code, "host": settings.SLIPWAY_URL.partition("://")[2]})
    if key is None:
        _keep(response, SECRET_COOKIE, secret, _ASKS_SECONDS)
        return response
    response.delete_cookie(SECRET_COOKIE, path=PATH)
    _keep(response, KEY_COOKIE, key, _KEPT_SECONDS)
    return response


def _drawn(request: HttpRequest, template: str, page: dict[str, Any]) -> HttpResponse:
    theme = request.GET.get("theme", "")
    return render(request, template, {**page, "theme": theme if theme in _THEMES else ""})


def _keep(response: HttpResponse, name: str, value: str, seconds: int) -> None:
    """For the wall alone: no other page is sent it, no script reads it."""
    secure = settings.SESSION_COOKIE_SECURE
    response.set_cookie(name, value, max_age=seconds, path=PATH, secure=secure, httponly=True, samesite="Lax")
