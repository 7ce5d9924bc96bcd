"""The second factor: asked for when signing in, set up and taken away on the account's pages."""

import json
from typing import Any

import qrcode
from allauth.account.views import ReauthenticateView
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.views import AuthenticateView, IndexView
from allauth.mfa.base.views import ReauthenticateView as ReauthenticateByCodeView
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.views import GenerateRecoveryCodesView, ViewRecoveryCodesView
from allauth.mfa.totp.views import ActivateTOTPView, DeactivateTOTPView
from allauth.mfa.utils import is_mfa_enabled
from allauth.mfa.webauthn.forms import AuthenticateWebAuthnForm
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from server import policy
from server.web import elsewhere
from server.web.signing import codes, locks, required


@method_decorator(never_cache, name="dispatch")
class Ask(AuthenticateView):  # type: ignore[misc]
    """Between the password and the session: nobody is signed in before the code is right."""

    template_name = "account/second_factor.html"
    form_class = codes.SignInForm

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._locked() or super().get(request, *args, **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._locked() or super().post(request, *args, **kwargs)

    def _locked(self) -> HttpResponse | None:
        return locks.show(self.request) if locks.is_locked(self.request, self.stage.login.user) else None

    def _build_forms(self) -> Form | None:
        """The one that was sent: of a key, for whoever has one, or of a code."""
        person, given = self.stage.login.user, self.request.POST if self.request.method == "POST" else None
        has_key = is_mfa_enabled(person, [Authenticator.Type.WEBAUTHN])
        is_key = has_key and given is not None and "credential" in given
        by_key = AuthenticateWebAuthnForm(user=person, data=given if is_key else None) if has_key else None
        by_code: Form = self.get_form_class()(user=person, data=None if is_key else given)
        self.webauthn_form, self.auth_form = by_key, by_code
        if given is None:
            return None
        return by_key if is_key else by_code

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        page: dict[str, Any] = super().get_context_data(**kwargs)
        page["has_app"] = is_mfa_enabled(self.stage.login.user, [Authenticator.Type.TOTP])
        if "js_data" in page:
            page["options"] = json.dumps(page["js_data"]["request_options"])
        return page


class Overview(IndexView):  # type: ignore[misc]
    """Whether there is one, and what can be done about it."""

    template_name = "account/two_factor.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        page: dict[str, Any] = super().get_context_data(**kwargs)
        recovery = page["authenticators"].get(Authenticator.Type.RECOVERY_CODES)
        page["codes_left"] = len(recovery.get_unused_codes()) if recovery else 0
        page["app"] = page["authenticators"].get(Authenticator.Type.TOTP)
        page["keys"] = page["authenticators"].get(Authenticator.Type.WEBAUTHN, [])
        return page | {"must_have_one": required.of(self.request.user)}


@method_decorator(never_cache, name="dispatch")
class Activate(ActivateTOTPView):  # type: ignore[misc]
    """The key as a picture and as text, and the first code as the proof that it was taken."""

    template_name = "account/app_add.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        page: dict[str, Any] = super().get_context_data(**kwargs)
        secret = page["form"].secret
        side, path = drawn(get_adapter().build_totp_url(self.request.user, secret))
        spaced = " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))
        return page | {"side": side, "path": path, "secret": spaced, "must_have_one": required.of(self.request.user)}


class Deactivate(DeactivateTOTPView):  # type: ignore[misc]
    template_name = "account/app_remove.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        page: dict[str, Any] = super().get_context_data(**kwargs)
        return page | {"has_key": is_mfa_enabled(self.request.user, [Authenticator.Type.WEBAUTHN])}


@method_decorator(never_cache, name="dispatch")
class Codes(ViewRecoveryCodesView):  # type: ignore[misc]
    """Shown once."""

    template_name = "account/codes.html"


class NewCodes(GenerateRecoveryCodesView):  # type: ignore[misc]
    template_name = "account/codes_new.html"


class MayLeadAway:
    """What is confirmed may be a way to another server, which the confirmed form then takes."""

    def render_to_response(self, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        answer: HttpResponse = super().render_to_response(context, **kwargs)  # type: ignore[misc]
        return policy.let_forms_go_to(answer, *elsewhere.origins())


class Confirm(MayLeadAway, ReauthenticateView):  # type: ignore[misc]
    """The password once more, before something that a stolen session must not do."""

    template_name = "account/confirm.html"


class ConfirmByCode(MayLeadAway, ReauthenticateByCodeView):  # type: ignore[misc]
    """The same with a code."""

    template_name = "account/confirm.html"
    form_class = codes.ConfirmForm


def drawn(text: str) -> tuple[int, str]:
    """A QR code as the side of its square and an SVG path of its dark cells, in cells."""
    code = qrcode.QRCode(border=4)
    code.add_data(text)
    cells = code.get_matrix()
    path = "".join(
        f"M{column} {row}h1v1h-1z" for row, line in enumerate(cells) for column, is_dark in enumerate(line) if is_dark
    )
    return len(cells), path
