"""Who may open a socket, and who may keep it open."""

from collections.abc import Awaitable, Callable, MutableMapping
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import auth
from django.contrib.auth.models import AnonymousUser
from django.http.request import split_domain_port, validate_host

from server.access import Visitor
from server.scopes import header

Scope = MutableMapping[str, Any]
Application = Callable[..., Awaitable[None]]

ACCESS_SECONDS = 60.0  # after so long an open socket is asked again whether it may
NOT_FOUND = 4404  # close code: not there, or not for this person; coming again does not help


class SameOrigin:
    """Takes sockets only from pages of this server: a browser sends its cookies with any other page's socket too."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if is_ours(header(scope, b"origin"), header(scope, b"host")):
            await self._application(scope, receive, send)
        else:
            await receive()  # the browser's wish to connect
            await send({"type": "websocket.close"})


def is_ours(origin: str, host: str) -> bool:
    """Whether a page of `origin` may open a socket on `host`. No origin is no browser, and not allowed either."""
    if origin in {settings.SLIPWAY_URL, *settings.CSRF_TRUSTED_ORIGINS}:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    domain, _ = split_domain_port(host)
    ours = bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)
    # A page that came without TLS may be anybody's; where the session is kept to TLS, it opens no socket.
    schemes = ("https",) if settings.SESSION_COOKIE_SECURE else ("http", "https")
    return ours and parts.scheme in schemes and parts.netloc.lower() == host.lower()


def person_of(scope: Scope) -> Visitor:
    """Who is signed in now, by the session as it is stored: a sign-out or a new password ends it. Asks the database."""
    key = scope.get("cookies", {}).get(settings.SESSION_COOKIE_NAME)
    if not key:
        return AnonymousUser()
    store = import_module(settings.SESSION_ENGINE).SessionStore(key)
    return auth.get_user(SimpleNamespace(session=store))  # type: ignore[arg-type]  # takes only the session of it
