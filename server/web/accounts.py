"""Signing in and out, and one's own password."""

from django.contrib.auth.views import LoginView, LogoutView, PasswordChangeView
from django.contrib.messages.views import SuccessMessageMixin
from django.urls import reverse_lazy


class SignIn(LoginView):
    """Name and password; who is signed in already goes on."""

    redirect_authenticated_user = True


class SignOut(LogoutView):
    """By POST alone."""


class Password(SuccessMessageMixin, PasswordChangeView):  # type: ignore[type-arg]
    """A person's own page: who they are, and a new password."""

    success_url = reverse_lazy("account")
    success_message = "Your password is changed."
    template_name = "registration/account.html"
