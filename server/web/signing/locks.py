"""Limits on guessing: tries are counted by account and address, and by address alone."""

from datetime import datetime, timedelta
from typing import Any

from allauth.core import ratelimit
from allauth.mfa.signals import authentication_failed
from axes.handlers.database import AxesDatabaseHandler
from axes.handlers.proxy import AxesProxyHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_login_failed
from django.db.models import QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from server import addresses
from server.web.signing import ledger

_ADDRESS_FACTOR = 10  # as many times the tries of one account, from one address, for all accounts together


class Handler(AxesDatabaseHandler):  # type: ignore[misc]
    """Counts as axes does; an address that tries one account after the other is locked as well.

    While somebody is locked nothing is written: neither this table nor the audit can be filled by going on.
    """

    def is_locked(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> bool:
        limit = settings.AXES_FAILURE_LIMIT * _ADDRESS_FACTOR
        return bool(super().is_locked(request, credentials)) or _failures(_of_address(request)) >= limit

    def user_login_failed(
        self, sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any
    ) -> None:
        super().user_login_failed(sender, credentials, request, **kwargs)
        if request is not None:
            ledger.refused(request, name(request, credentials), getattr(request, "axes_failures_since_start", None))


def name(request: HttpRequest, credentials: dict[str, Any] | None) -> str:
    """What tries are counted under: the account as it was typed, in small letters."""
    typed = (credentials or {}).get("username") or request.POST.get("username", "")
    return str(typed).strip().lower().replace("\0", "")[:150]


def origin(request: HttpRequest) -> str | None:
    return addresses.origin(request)


def is_locked(request: HttpRequest, person: User) -> bool:
    """Whether this person's tries from this address are used up."""
    return not AxesProxyHandler.is_allowed(request, {"username": person.get_username()})


def listen() -> None:
    """A wrong code counts like a wrong password."""
    authentication_failed.connect(_count, dispatch_uid="locks")


def count(request: HttpRequest, person: User) -> None:
    """A wrong password of somebody who is signed in: whoever has stolen a session does not guess it there either."""
    _count(__name__, request, person)


def may_ask_for_letter(request: HttpRequest, address: str) -> bool:
    """Whether a letter to `address` may be asked for once more, from here and at all: nobody's mailbox is filled."""
    return bool(ratelimit.consume(request, action="reset_password", key=address.lower()))


def tries_left(request: HttpRequest) -> int | None:
    """After a wrong try; None when nothing was counted."""
    failures = getattr(request, "axes_failures_since_start", None)
    return None if failures is None else max(0, settings.AXES_FAILURE_LIMIT - failures)


def show(request: HttpRequest, *_: object) -> HttpResponse:
    """The page for whoever is locked: it does not tell whether there is such an account."""
    return render(request, "locked.html", {"until": _until(request)}, status=429)


def _count(sender: Any, request: HttpRequest, user: User, **_: Any) -> None:
    user_login_failed.send(sender=__name__, credentials={"username": user.get_username()}, request=request)


def _until(request: HttpRequest) -> datetime:
    newest = _of_address(request).order_by("-attempt_time").values_list("attempt_time", flat=True).first()
    until: datetime = (newest or timezone.now()) + settings.AXES_COOLOFF_TIME
    return until + timedelta(seconds=1)


def _of_address(request: HttpRequest) -> QuerySet[AccessAttempt]:
    since = timezone.now() - settings.AXES_COOLOFF_TIME
    tries: QuerySet[AccessAttempt] = AccessAttempt.objects.filter(
        ip_address=addresses.origin(request), attempt_time__gte=since
    )
    return tries


def _failures(attempts: QuerySet[AccessAttempt]) -> int:
    return int(attempts.aggregate(total=Sum("failures_since_start"))["total"] or 0)
