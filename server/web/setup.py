"""First start: a link that works once makes the operator. There is no default password."""

import hashlib
import json
import os
import secrets
import time
from pathlib import Path

from allauth.account.utils import perform_login
from django import forms
from django.conf import settings
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import User
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from pipelines.audit.record import record
from server import access

LIFETIME_SECONDS = 15 * 60


class OperatorForm(UserCreationForm):  # type: ignore[type-arg]
    """A name and a password that the server's rules take."""

    email = forms.EmailField(required=False)

    class Meta:
        model = User
        fields = ("username", "email")

    def save(self, commit: bool = True) -> User:
        self.instance.is_staff = self.instance.is_superuser = True
        made: User = super().save(commit)
        return made


def setup_link() -> str | None:
    """A fresh link that works once, for 15 minutes; earlier ones stop working. None when there is an operator."""
    if _has_operator():
        return None
    token = secrets.token_urlsafe(32)
    draft = _path().with_suffix(f".{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps({"sha256": _digest(token), "expires_at": time.time() + LIFETIME_SECONDS}))
    draft.replace(_path())
    return settings.SLIPWAY_URL + reverse("setup", args=[token])


def create_operator(request: HttpRequest, token: str) -> HttpResponse:
    if not _is_open(token):
        return render(request, "gone.html", status=410)
    form = OperatorForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return render(request, "setup.html", {"form": form})
    if not _use():
        return render(request, "gone.html", status=410)
    with transaction.atomic():
        operator = form.save()
        record(access.actor(operator), "became the operator", "this server")
    answer: HttpResponse = perform_login(request, operator, redirect_url=reverse("dashboard"))
    return answer


def _is_open(token: str) -> bool:
    """False when the link has been used or is too old; raises Http404 for a token that never was one."""
    if _has_operator():
        return False
    try:
        stored = json.loads(_path().read_text())
    except FileNotFoundError:
        return False
    if not secrets.compare_digest(stored["sha256"], _digest(token)):
        raise Http404
    return bool(time.time() < stored["expires_at"])


def _use() -> bool:
    """True for one caller alone, however many come at once."""
    try:
        _path().unlink()
    except FileNotFoundError:
        return False
    return True


def _has_operator() -> bool:
    return User.objects.filter(is_superuser=True, is_active=True).exists()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _path() -> Path:
    path: Path = settings.STATE_DIR / "setup.json"
    return path
