"""Signing in and out, and one's own account."""

from typing import Any

from allauth.account.internal.flows.login import record_authentication
from allauth.account.utils import perform_login
from allauth.mfa.utils import is_mfa_enabled
from allauth.usersessions.internal.flows.sessions import end_other_sessions
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView, PasswordChangeView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse_lazy
from django.views.decorators.http import require_POST

from server import access, policy
from server.web import elsewhere
from server.web.signing import ledger, locks, required


class SignIn(LoginView):
    """Name and password; who is signed in already goes on. Whoever has a second factor is asked for it next."""

    redirect_authenticated_user = True

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        person = form.get_user()
        record_authentication(self.request, person, method="password")
        answer: HttpResponse = perform_login(self.request, person, redirect_url=self.get_success_url())
        return answer

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        offered = {"elsewhere": elsewhere.ways(None), "has_mail": bool(settings.SLIPWAY_MAIL_URL)}
        return super().get_context_data(**kwargs) | offered | {"tries_left": locks.tries_left(self.request)}

    def render_to_response(self, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        return policy.let_forms_go_to(super().render_to_response(context, **kwargs), *elsewhere.origins())


class SignOut(LogoutView):
    """By POST alone."""


class Account(PasswordChangeView):
    """A person's own page: who they are, how they sign in, where they are signed in, and a new password."""

    success_url = reverse_lazy("account")
    template_name = "account/account.html"

    def get_form(self, form_class: Any = None) -> Any:
        """The page is for more than a new password: nobody is put into that field unasked."""
        form = super().get_form(form_class)
        form.fields["old_password"].widget.attrs.pop("autofocus", None)
        return form

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if locks.is_locked(request, access.account(request.user)):
            return locks.show(request)
        return super().post(request, *args, **kwargs)

    def form_invalid(self, form: Any) -> HttpResponse:
        if form.data.get("old_password") and "old_password" in form.errors:
            locks.count(self.request, access.account(self.request.user))
        return super().form_invalid(form)

    def form_valid(self, form: Any) -> HttpResponse:
        """Every other session ends: Django binds sessions to the password."""
        answer = super().form_valid(form)
        UserSession.objects.create_from_request(self.request)
        ledger.note(self.request, access.account(self.request.user), "changed their password")
        messages.success(self.request, "Your password is changed. Every other session of yours has ended.")
        return answer

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        person = self.request.user
        page = {
            "has_second_factor": is_mfa_enabled(person),
            "must_have_one": required.of(person),
            "elsewhere": elsewhere.ways(access.account(person)),
            "sessions": UserSession.objects.purge_and_list(person),
            "here": self.request.session.session_key,
            "has_mail": bool(settings.SLIPWAY_MAIL_URL),
            "in_teams": person.groups.order_by("name"),
        }
        return super().get_context_data(**kwargs) | page

    def render_to_response(self, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        return policy.let_forms_go_to(super().render_to_response(context, **kwargs), *elsewhere.origins())


@login_required
@require_POST
def end_others(request: HttpRequest) -> HttpResponse:
    """Sign out everywhere but here."""
    end_other_sessions(request, request.user)
    ledger.note(request, access.account(request.user), "ended their other sessions")
    messages.success(request, "You are signed in here alone.")
    return redirect("account")
