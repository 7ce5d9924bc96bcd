"""The way to GitHub or the company's own sign-in, and back: coming in with an account there, or connecting one."""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from urllib.parse import urlsplit

from allauth.account.internal.flows.reauthentication import raise_if_reauthentication_required
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.github import views as github
from allauth.socialaccount.providers.openid_connect import views as oidc
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST
from requests import RequestException

from server import access, providers
from server.web.signing import admission, ledger

_LEAVE: dict[str, Callable[[HttpRequest], HttpResponse]] = {
    admission.GITHUB: github.oauth2_login,
    providers.OIDC: lambda request: oidc.login(request, providers.OIDC),
}
_COME_BACK: dict[str, Callable[[HttpRequest], HttpResponse]] = {
    admission.GITHUB: github.oauth2_callback,
    providers.OIDC: lambda request: oidc.callback(request, providers.OIDC),
}


@dataclass(frozen=True, slots=True)
class Way:
    """A server whose accounts sign people in here; `login` is this person's account there, empty without one."""

    provider: str
    name: str
    leave: str
    login: str = ""


def offered() -> list[str]:
    """Those that are set up."""
    known = {"github": admission.GITHUB, "openid_connect": providers.OIDC}
    return [known[name] for name in known if name in settings.SOCIALACCOUNT_PROVIDERS]


def ways(person: User | None) -> list[Way]:
    """All that are offered; with a person, what they have connected too."""
    accounts = SocialAccount.objects.filter(user=person) if person else SocialAccount.objects.none()
    logins = {account.provider: str(account.extra_data.get("login") or account.uid) for account in accounts}
    names = [*offered(), *(provider for provider in logins if provider in _LEAVE and provider not in offered())]
    return [Way(name, admission.label(name), _address(name), logins.get(name, "")) for name in names]


def origins() -> list[str]:
    """Where forms for signing in there lead."""
    pages = {admission.GITHUB: providers.web(settings.SLIPWAY_GITHUB_API), providers.OIDC: settings.SLIPWAY_OIDC_URL}
    parts = [urlsplit(pages[name]) for name in offered()]
    return [f"{part.scheme}://{part.netloc}" for part in parts]


@require_POST
@never_cache
def leave(request: HttpRequest, provider_id: str) -> HttpResponse:
    """To their page. By POST alone, so that no other site can sign somebody in here; what could ask for wider rights
    in the address is dropped."""
    _check_offered(provider_id)
    if request.POST.get("process") == "connect":
        return _leave_to_connect(request, provider_id)
    return _go(request, provider_id, "next")


@require_GET
@never_cache
def come_back(request: HttpRequest, provider_id: str) -> HttpResponse:
    """From there; allauth checks that it is the same browser."""
    _check_offered(provider_id)
    return _COME_BACK[provider_id](request)


@login_required
@require_POST
def disconnect(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Never the only way in."""
    person, name = access.account(request.user), admission.label(provider_id)
    raise_if_reauthentication_required(request, app="allauth.socialaccount")
    if not person.has_usable_password():
        messages.error(request, f"{name} is your way in: ask an operator for a password first.")
        return redirect("account")
    for account in SocialAccount.objects.filter(user=person, provider=provider_id):
        account.delete()
        ledger.note(request, person, f"disconnected {name}"[:60], str(account.extra_data.get("login", "")))
    messages.success(request, f"{name} no longer signs you in.")
    return redirect("account")


@login_required
def _leave_to_connect(request: HttpRequest, provider_id: str) -> HttpResponse:
    raise_if_reauthentication_required(request, app="allauth.socialaccount")
    return _go(request, provider_id, "process")


def _go(request: HttpRequest, provider_id: str, kept: str) -> HttpResponse:
    """allauth reads the form as well as the address: it gets to see the one field that is meant."""
    form = QueryDict(mutable=True)
    form[kept] = request.POST.get(kept, "")
    bare = copy(request)
    bare.GET, bare.POST = QueryDict(), form  # type: ignore[assignment]
    try:
        return _LEAVE[provider_id](bare)
    except RequestException:  # OpenID Connect asks the server first where its pages are
        messages.error(request, f"{admission.label(provider_id)} does not answer: try once more, or use your password.")
        return redirect("account" if request.user.is_authenticated else "login")


def _address(provider_id: str) -> str:
    if provider_id == admission.GITHUB:
        return reverse("github_login")
    return reverse("openid_connect_login", kwargs={"provider_id": provider_id})


def _check_offered(provider_id: str) -> None:
    if provider_id not in offered():
        raise Http404(f"this server does not sign in with {provider_id}")
