"""Whom an account elsewhere lets in: its id there decides, never a mail address and never a name."""

import re
from http import HTTPStatus

from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialAccount, SocialLogin
from allauth.socialaccount.providers.github.views import GitHubOAuth2Adapter
from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from requests import RequestException

from pipelines.audit.record import record
from pipelines.errors import UserError
from pipelines.runs.models import Identity
from server import access, addresses

GITHUB = "github"
_NO_NAME = re.compile(r"[^\w.@+-]+")


class NotAdmitted(UserError):
    """This account at the code host opens nothing here."""


def admit(request: HttpRequest, sociallogin: SocialLogin) -> None:
    """Give the sign-in its account: the one it is connected with, or one that it may be connected with now.

    An account that came by GitHub and has no password lives by the membership: it is asked for at every sign-in.
    Raises NotAdmitted.
    """
    trim(sociallogin.account)
    if sociallogin.is_existing:
        _check_membership(sociallogin)
        return
    if sociallogin.account.provider == GITHUB:
        person = _noted(sociallogin) or _member(request, sociallogin)
    else:
        person = _newcomer(request, sociallogin)
    sociallogin.user = sociallogin.account.user = person


def trim(account: SocialAccount) -> None:
    """Of what is told there the rest is nobody's business."""
    told = account.extra_data.get("userinfo") or account.extra_data.get("id_token") or account.extra_data
    login = str(told.get("login") or told.get("preferred_username") or account.uid)[:150]
    account.extra_data = {"id": account.uid, "login": login, "html_url": told.get("html_url") or ""}
    if account.pk:
        account.save(update_fields=["extra_data"])


def label(provider: str) -> str:
    return "GitHub" if provider == GITHUB else str(settings.SLIPWAY_OIDC_NAME)


def note_identity(account: SocialAccount) -> None:
    """Who signs in with an account at GitHub is whoever pushes with it, unless an operator has noted something else."""
    if account.provider == GITHUB and not Identity.objects.filter(user=account.user).exists():
        noted = {"user": account.user, "is_own_word": True}
        Identity.objects.get_or_create(code_host_id=int(account.uid), defaults=noted)


def _noted(sociallogin: SocialLogin) -> User | None:
    """Whose it is as an operator noted under *Identities*; operators connect theirs themselves, signed in."""
    uid = int(sociallogin.account.uid)  # what they once connected themselves and took away again opens nothing
    noted = Identity.objects.filter(code_host_id=uid, is_own_word=False, user__is_active=True)
    identity = noted.exclude(user__is_superuser=True).select_related("user").first()
    if identity is None:
        return None
    with transaction.atomic():
        _connect(sociallogin, identity.user, "an operator noted that it is theirs")
    return identity.user


def _member(request: HttpRequest, sociallogin: SocialLogin) -> User:
    """A new account without a team, for members of the organisations that are let in. Raises NotAdmitted."""
    login = str(sociallogin.account.extra_data["login"])
    if Identity.objects.filter(code_host_id=int(sociallogin.account.uid)).exists():
        raise NotAdmitted(f"{login} belongs to an account here: sign in to that one, and connect GitHub on its page")
    if not settings.SLIPWAY_GITHUB_ORGANISATIONS:
        raise NotAdmitted(f"nobody here is known to be {login}: sign in with your password and connect GitHub there")
    return _made(request, sociallogin, f"a member of {_require_membership(sociallogin)}")


def _newcomer(request: HttpRequest, sociallogin: SocialLogin) -> User:
    """The same for whoever the company's own server lets in, where that is wished. Raises NotAdmitted."""
    name = settings.SLIPWAY_OIDC_NAME
    if not settings.SLIPWAY_OIDC_MAKES_ACCOUNTS:
        raise NotAdmitted(
            f"no account here is connected with that one: sign in with your password and connect {name} there"
        )
    return _made(request, sociallogin, f"let in by {name}")


def _made(request: HttpRequest, sociallogin: SocialLogin, reason: str) -> User:
    """Raises NotAdmitted."""
    account = sociallogin.account
    try:
        with transaction.atomic():
            person = User.objects.create_user(_free_name(str(account.extra_data["login"])))
            _connect(sociallogin, person, reason)
            facts = {"address": addresses.client(request), "id": account.uid}
            record(access.actor(person), "got an account", "this server", reason=reason, **facts)
    except IntegrityError as error:
        raise NotAdmitted("somebody of that name was faster: try once more") from error
    return person


def _connect(sociallogin: SocialLogin, person: User, reason: str) -> None:
    account = sociallogin.account
    account.user = person
    account.save()
    note_identity(account)
    verb, login = f"connected {label(account.provider)}", str(account.extra_data["login"])
    record(access.actor(person), verb[:60], login, reason=reason, id=account.uid)


def _free_name(login: str) -> str:
    """The name there, or with a number; another one's account is never taken over by its name."""
    login = _NO_NAME.sub("-", login)[:140] or "person"
    names = (login if count == 1 else f"{login}-{count}" for count in range(1, 100))
    return next((name for name in names if not User.objects.filter(username__iexact=name).exists()), f"{login}-100")


def _check_membership(sociallogin: SocialLogin) -> None:
    """Of those who live by it. Raises NotAdmitted."""
    lives_by_it = sociallogin.account.provider == GITHUB and not sociallogin.user.has_usable_password()
    if lives_by_it and settings.SLIPWAY_GITHUB_ORGANISATIONS:
        _require_membership(sociallogin)


def _require_membership(sociallogin: SocialLogin) -> str:
    """The first of the organisations that says yes. Raises NotAdmitted."""
    login = sociallogin.account.extra_data["login"]
    for organisation in settings.SLIPWAY_GITHUB_ORGANISATIONS:
        if _is_member(sociallogin.token.token, organisation):
            return str(organisation)
    names = " or ".join(settings.SLIPWAY_GITHUB_ORGANISATIONS)
    raise NotAdmitted(f"{login} is not a member of {names}, or the organisation has not approved this application")


def _is_member(token: str, organisation: str) -> bool:
    """As the token's owner sees it: only such a membership is active that they have accepted. Raises NotAdmitted."""
    address = f"{GitHubOAuth2Adapter.api_url}/user/memberships/orgs/{organisation}"
    headers = {"Authorization": f"token {token}", "Accept": "application/vnd.github+json"}
    try:
        with get_adapter().get_requests_session() as session:
            answer = session.get(address, headers=headers, allow_redirects=False)
            said = answer.json() if answer.status_code == HTTPStatus.OK else {}
    except (RequestException, ValueError) as error:
        raise NotAdmitted("GitHub did not say whether you are a member: try once more") from error
    return isinstance(said, dict) and said.get("state") == "active"
