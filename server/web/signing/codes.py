"""Codes of authenticator apps: each is taken once, in whichever process it comes."""

import time
from typing import Any

from allauth.core.internal.cryptokit import compare_user_code
from allauth.mfa import app_settings
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from allauth.mfa.utils import decrypt
from django.db.models import Q

_LAST = "last_counter"


class TakenOnce:
    """A form of a code that has been taken before, or is older than one that has been, is refused (RFC 6238, 5.2)."""

    user: Any
    authenticator: Authenticator

    def clean_code(self) -> str:
        code: str = super().clean_code()  # type: ignore[misc]
        if self.authenticator.type == Authenticator.Type.TOTP and not take(self.authenticator, code):
            raise get_adapter().validation_error("incorrect_code")
        return code


class SignInForm(TakenOnce, AuthenticateForm):  # type: ignore[misc]
    pass


class ConfirmForm(TakenOnce, ReauthenticateForm):  # type: ignore[misc]
    pass


def take(authenticator: Authenticator, code: str) -> bool:
    """True for the first who shows this code. Its row is compared and set: of two processes one wins."""
    counter = _counter(decrypt(authenticator.data["secret"]), code)
    if counter is None:
        return False
    fresh = Q(data__last_counter__lt=counter) | ~Q(data__has_key=_LAST)
    data = {**authenticator.data, _LAST: counter}
    return bool(Authenticator.objects.filter(fresh, pk=authenticator.pk).update(data=data))


def _counter(secret: str, code: str) -> int | None:
    """Which period a code is of; None for none of those that are accepted now."""
    now, tolerance = int(time.time()) // app_settings.TOTP_PERIOD, app_settings.TOTP_TOLERANCE
    for counter in range(now - tolerance, now + tolerance + 1):
        if compare_user_code(actual=code, expected=format_hotp_value(hotp_value(secret, counter))):
            return counter
    return None
