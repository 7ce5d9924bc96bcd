"""A new password by mail, for whoever has forgotten theirs."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import PasswordResetConfirmView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.generic import FormView

from pipelines.people import resets
from server import access, addresses
from server.web.signing import ledger, locks


class AddressForm(forms.Form):
    """Whom to write to."""

    address = forms.EmailField(
        label="Your mail address",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email", "autofocus": True}),
    )


@method_decorator(never_cache, name="dispatch")
class Forgotten(FormView):  # type: ignore[type-arg]  # Django's own takes no argument when it runs
    """Asks for a letter. It answers the same whether anybody has that address or not, and as fast."""

    form_class = AddressForm
    template_name = "account/forgotten.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {"has_mail": bool(settings.SLIPWAY_MAIL_URL)}

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not settings.SLIPWAY_MAIL_URL:
            return redirect("password-forgotten")
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: AddressForm) -> HttpResponse:
        address = form.cleaned_data["address"]
        if not locks.may_ask_for_letter(self.request, address):
            form.add_error("address", "Letters were asked for too often: wait an hour, or ask an operator.")
            return self.render_to_response(self.get_context_data(form=form), status=429)
        resets.ask(address, addresses.client(self.request))
        minutes = settings.PASSWORD_RESET_TIMEOUT // 60
        said = "If an account here has that address, a letter is on its way."
        messages.success(self.request, f"{said} Its link works once, for {minutes} minutes.")
        return redirect("login")


class NewPassword(PasswordResetConfirmView):
    """Where the letter's link leads. The new password signs nobody in: it is asked for next, and the second factor."""

    template_name = "account/new_password.html"
    success_url = reverse_lazy("login")

    def form_valid(self, form: Any) -> HttpResponse:
        """Every session of theirs ends: Django binds sessions to the password."""
        answer = super().form_valid(form)
        ledger.note(self.request, access.account(form.user), "set a new password by mail")
        messages.success(self.request, "Your password is new, and every session of yours has ended. Sign in with it.")
        return answer
