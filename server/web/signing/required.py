"""Whether people must have a second factor, and what those get who have none yet."""

from collections.abc import Callable

from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

_NOTED = "second_factor"  # in the session: this person has one
# What it takes to set one up, and to go.
_OPEN = frozenset(
    {
        "mfa_activate_totp",
        "mfa_add_webauthn",
        "mfa_view_recovery_codes",
        "account_reauthenticate",
        "mfa_reauthenticate",
        "mfa_reauthenticate_webauthn",
        "mfa_authenticate",
        "login",
        "logout",
        "healthz",
    }
)


def of(person: User | AnonymousUser) -> bool:
    """Whether this server asks this person for a second factor."""
    asked = settings.SLIPWAY_SECOND_FACTOR
    return person.is_authenticated and (asked == "all" or (asked == "operators" and person.is_superuser))


class SecondFactorMiddleware:
    """Leads people who must have a second factor and have none to the page that sets it up; nothing else is open."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: object) -> HttpResponse | None:
        if settings.SLIPWAY_SECOND_FACTOR == "optional" or not of(request.user) or _has_one(request):
            return None
        match = request.resolver_match
        if match is not None and match.view_name in _OPEN:
            return None
        if request.method != "GET" or request.path.startswith("/api/"):
            return HttpResponse("Set up your second factor first: open any page.\n", "text/plain", 403)
        return redirect("mfa_activate_totp")


def _has_one(request: HttpRequest) -> bool:
    """Remembered in the session: an operator who takes it away ends the person's sessions too."""
    if request.session.get(_NOTED) != request.user.pk and is_mfa_enabled(request.user):
        request.session[_NOTED] = request.user.pk
    return bool(request.session.get(_NOTED) == request.user.pk)
