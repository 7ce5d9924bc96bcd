"""How allauth's flows fit this server: no open sign-up, no mail, our own words, our own addresses."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount, SocialLogin
from allauth.socialaccount.providers.base import AuthError, AuthProcess
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from pipelines.projects import secrets
from server import addresses
from server.web.signing import admission, required


class Accounts(DefaultAccountAdapter):  # type: ignore[misc]
    """Accounts are made by operators, or by `admission`."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "incorrect_password": "That is not your password.",
        "too_many_login_attempts": "Too many tries: wait five minutes.",
        "rate_limited": "Too many tries: wait five minutes.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def add_message(self, *args: Any, **kwargs: Any) -> None:
        """Pages say themselves what was done."""

    def get_client_ip(self, request: HttpRequest) -> str:
        return addresses.client(request) or "0.0.0.0"  # noqa: S104  # over a unix socket there is none

    def respond_user_inactive(self, request: HttpRequest, user: User) -> HttpResponse:
        messages.error(request, "This account is switched off. An operator can say why.")
        return redirect("login")


class CodeHost(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Sign-in with an account at the code host."""

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        if sociallogin.state.get("process") == AuthProcess.CONNECT:
            return
        try:
            admission.admit(request, sociallogin)
        except admission.NotAdmitted as error:
            messages.error(request, f"{error}.")
            raise ImmediateHttpResponse(redirect("login")) from error

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: str = AuthError.UNKNOWN,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,
    ) -> None:
        """Said on the page that the person came from."""
        why = "was cancelled there" if error == AuthError.CANCELLED else "did not work: try it once more"
        messages.error(request, f"Sign-in with {provider.name} {why}.")
        raise ImmediateHttpResponse(redirect("account" if request.user.is_authenticated else "login"))

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return False

    def get_connect_redirect_url(self, request: HttpRequest, socialaccount: SocialAccount) -> str:
        return reverse("account")


class SecondFactor(DefaultMFAAdapter):  # type: ignore[misc]
    """Keys of authenticator apps are stored encrypted, as all secrets are."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": "That code is not right, or it has been used.",
    }

    def encrypt(self, text: str) -> str:
        return secrets.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        return secrets.decrypt(encrypted_text)

    def get_totp_issuer(self) -> str:
        return f"Slipway {settings.SLIPWAY_URL.partition('://')[2]}"

    def get_totp_label(self, user: User) -> str:
        return user.get_username()

    def can_delete_authenticator(self, authenticator: Any) -> bool:
        """The last app or key of whoever must have a second factor stays."""
        others = Authenticator.objects.filter(user=authenticator.user).exclude(pk=authenticator.pk)
        has_other = others.exclude(type=Authenticator.Type.RECOVERY_CODES).exists()
        return has_other or not required.of(authenticator.user)

    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:
        return f"key {Authenticator.objects.filter(user=user, type=type).count() + 1}"

    def get_public_key_credential_user_entity(self, user: User) -> dict[str, Any]:
        """As keys show it, by the name here: who reads the key learns no mail address."""
        entity: dict[str, Any] = super().get_public_key_credential_user_entity(user)
        return entity | {"name": user.get_username(), "display_name": user.get_username()}
