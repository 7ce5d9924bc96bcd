"""Security keys and passkeys as a second factor: made, named, asked for and removed on the account's pages."""

import json
from typing import Any

from allauth.mfa.adapter import get_adapter
from allauth.mfa.webauthn.views import AddWebAuthnView, ReauthenticateWebAuthnView, RemoveWebAuthnView
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from server.web.secondfactor import MayLeadAway


class AsksTheBrowser:
    """What the browser is to be asked is an attribute of the form: no script stands in the page."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        page: dict[str, Any] = super().get_context_data(**kwargs)  # type: ignore[misc]
        (options,) = page["js_data"].values()
        return page | kwargs | {"options": json.dumps(options)}  # allauth forgets the form that was refused


@method_decorator(never_cache, name="dispatch")
class Add(AsksTheBrowser, AddWebAuthnView):  # type: ignore[misc]
    template_name = "account/key_add.html"


class Remove(RemoveWebAuthnView):  # type: ignore[misc]
    template_name = "account/key_remove.html"
    success_url = reverse_lazy("mfa_index")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        page: dict[str, Any] = super().get_context_data(**kwargs)
        return page | {"key": self.object.wrap(), "may": get_adapter().can_delete_authenticator(self.object)}

    def form_valid(self, form: Any) -> HttpResponse:
        if not get_adapter().can_delete_authenticator(self.object):
            messages.error(self.request, "This server asks you to have a second factor: the last one stays.")
            return redirect("mfa_index")
        answer: HttpResponse = super().form_valid(form)
        return answer


@method_decorator(never_cache, name="dispatch")
class ConfirmByKey(AsksTheBrowser, MayLeadAway, ReauthenticateWebAuthnView):  # type: ignore[misc]
    """The key once more, before something that a stolen session must not do."""

    template_name = "account/confirm_key.html"

    def form_invalid(self, form: Any) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form))
