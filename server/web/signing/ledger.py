"""Sign-ins, refusals and second factors in the audit, with the address that they came from."""

from typing import Any

from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.signals import user_logged_in
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import (
    authenticator_added,
    authenticator_removed,
    authenticator_reset,
    authenticator_used,
)
from allauth.socialaccount.models import SocialAccount, SocialLogin
from allauth.socialaccount.signals import social_account_added
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_out
from django.http import HttpRequest

from pipelines.audit.record import record
from server import access, addresses
from server.web.signing import admission

HERE = "this server"
_TOLD_AT_MOST = 300  # refused accounts and addresses within the time of a lock; what comes on top is counted, not told
_FACTORS = {
    Authenticator.Type.TOTP: "an authenticator app",
    Authenticator.Type.RECOVERY_CODES: "recovery codes",
    Authenticator.Type.WEBAUTHN: "a security key",
}


def listen() -> None:
    """Hear what allauth and Django say."""
    user_logged_in.connect(_signed_in, dispatch_uid="ledger")
    user_logged_out.connect(_signed_out, dispatch_uid="ledger")
    authenticator_added.connect(_added, dispatch_uid="ledger")
    authenticator_removed.connect(_removed, dispatch_uid="ledger")
    authenticator_reset.connect(_made_anew, dispatch_uid="ledger")
    authenticator_used.connect(_used, dispatch_uid="ledger")
    social_account_added.connect(_connected, dispatch_uid="ledger")


def refused(request: HttpRequest, typed: str, failures: int | None) -> None:
    """The first refusal of an account from an address, and the one that locks it: the tries between are its count.

    A name that nobody has is not told: it may be a password in the wrong field.
    """
    if failures not in (1, settings.AXES_FAILURE_LIMIT) or AccessAttempt.objects.count() > _TOLD_AT_MOST:
        return
    person = User.objects.filter(username__iexact=typed).first()
    actor = access.actor(person) if person else "somebody unknown"
    verb = "was refused sign-in" if failures == 1 else "was locked out"
    record(actor, verb, HERE, address=addresses.client(request), tries=failures)


def note(request: HttpRequest, person: User, verb: str, subject: str = HERE, **facts: Any) -> None:
    """An act of a person on their own account."""
    record(access.actor(person), verb, subject, address=addresses.client(request), **facts)


def _signed_in(sender: Any, request: HttpRequest, user: User, **_: Any) -> None:
    records = [one for one in get_authentication_records(request, user) if not one.get("reauthenticated")]
    note(request, user, "signed in", by=list(dict.fromkeys(map(_way, records))))


def _way(one: dict[str, Any]) -> str:
    """A step of the sign-in, in words."""
    if one["method"] == "socialaccount":
        return admission.label(one["provider"])
    return "second factor" if one["method"] == "mfa" else str(one["method"])


def _signed_out(sender: Any, request: HttpRequest, user: User | None, **_: Any) -> None:
    if user is not None:
        note(request, user, "signed out")


def _added(sender: Any, request: HttpRequest, user: User, authenticator: Authenticator, **_: Any) -> None:
    note(request, user, "set up a second factor", _FACTORS.get(authenticator.type, authenticator.type))


def _removed(sender: Any, request: HttpRequest, user: User, authenticator: Authenticator, **_: Any) -> None:
    note(request, user, "removed a second factor", _FACTORS.get(authenticator.type, authenticator.type))


def _made_anew(sender: Any, request: HttpRequest, user: User, authenticator: Authenticator, **_: Any) -> None:
    note(request, user, "made new recovery codes", "the former ones no longer work")


def _used(sender: Any, request: HttpRequest, user: User, authenticator: Authenticator, **_: Any) -> None:
    if authenticator.type == Authenticator.Type.RECOVERY_CODES:
        note(request, user, "used a recovery code")


def _connected(sender: Any, request: HttpRequest, sociallogin: SocialLogin, **_: Any) -> None:
    """On the account's own page."""
    account: SocialAccount = sociallogin.account
    admission.trim(account)
    admission.note_identity(account)
    verb = f"connected {admission.label(account.provider)}"
    note(request, account.user, verb[:60], str(account.extra_data["login"]), id=account.uid)
