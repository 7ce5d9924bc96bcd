"""How people sign in: second factors, accounts at the code host, locks; what operators take away when asked to."""

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from axes.models import AccessAttempt
from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from pipelines.audit.record import record
from pipelines.people.models import Token
from server import access, addresses
from server.admin.audited import Audits, Record

# What this server has no use for: applications are settings, their tokens are not kept, no mail address is verified.
for _model in (EmailAddress, SocialApp, SocialToken, SocialAccount, Authenticator, UserSession):
    if admin.site.is_registered(_model):
        admin.site.unregister(_model)


class Removable(Audits, Record):
    """To look at and to take away."""

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return access.is_operator(request.user)


@admin.register(Authenticator)
class SecondFactorAdmin(Removable):
    """Take both of a person's rows away when app and codes are lost; ask first whether it is really them."""

    list_display = ("user", "type", "created_at", "last_used_at")
    list_filter = ("type",)
    list_select_related = ("user",)
    search_fields = ("user__username",)
    exclude = ("data",)

    def get_exclude(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return ["data"]

    def delete_model(self, request: HttpRequest, obj: Authenticator) -> None:
        """Whoever is signed in as them goes out too: until now it may have been somebody else."""
        _end_sessions(obj.user_id)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Authenticator]) -> None:
        for person in set(queryset.values_list("user_id", flat=True)):
            _end_sessions(person)
        super().delete_queryset(request, queryset)


@admin.register(SocialAccount)
class CodeHostAccountAdmin(Removable):
    """Accounts at the code host that sign people in."""

    list_display = ("user", "provider", "uid", "last_login", "date_joined")
    list_select_related = ("user",)
    search_fields = ("user__username", "uid")


@admin.register(UserSession)
class SessionAdmin(Record):
    """Where people are signed in."""

    list_display = ("user", "ip", "user_agent", "created_at")
    list_select_related = ("user",)
    search_fields = ("user__username", "ip")
    fields = ("user", "ip", "user_agent", "created_at")
    actions = ("end",)

    @admin.action(description="End these sessions")
    def end(self, request: HttpRequest, sessions: QuerySet[UserSession]) -> None:
        for session in sessions.select_related("user"):
            session.end()
            whose = f"of {session.user.get_username()} from {session.ip}"
            record(access.actor(request.user), "ended a session", whose, address=addresses.client(request))


@admin.register(AccessAttempt)
class LockAdmin(Record):
    """Wrong tries to sign in, by account and address; lifting forgets them."""

    list_display = ("username", "ip_address", "failures_since_start", "attempt_time")
    search_fields = ("username", "ip_address")
    fields = ("username", "ip_address", "user_agent", "failures_since_start", "attempt_time")
    actions = ("lift",)

    @admin.action(description="Lift: let them try again")
    def lift(self, request: HttpRequest, attempts: QuerySet[AccessAttempt]) -> None:
        for attempt in attempts:
            subject = f"{attempt.username} from {attempt.ip_address}"
            by, address = access.actor(request.user), addresses.client(request)
            record(by, "lifted a lock", subject, tries=attempt.failures_since_start, address=address)
        attempts.delete()


@admin.register(Token)
class TokenAdmin(Record):
    """Every token; revoked here when its owner cannot."""

    list_display = ("name", "prefix", "person", "project", "role", "scopes", "expires_at", "last_used_at", "revoked_at")
    list_filter = ("project",)
    list_select_related = ("person", "project")
    search_fields = ("name", "prefix", "person__username", "project__name")
    actions = ("revoke",)

    @admin.action(description="Revoke these tokens")
    def revoke(self, request: HttpRequest, chosen: QuerySet[Token]) -> None:
        from pipelines.people import tokens

        for token in chosen.select_related("person", "project"):
            tokens.revoke(token, by=access.actor(request.user), address=addresses.client(request))


def sign_in(request: HttpRequest, extra_context: object = None) -> HttpResponseBase:
    """The one way in is ours: with its second factor, its limits and its audit."""
    if request.user.is_authenticated:
        return HttpResponse("To open the admin takes an operator.\n", "text/plain", 403)
    return redirect_to_login(request.GET.get("next") or reverse("admin:index"))


def change_password(request: HttpRequest, extra_context: object = None) -> HttpResponseBase:
    return redirect("account")


def _end_sessions(person: int) -> None:
    for session in UserSession.objects.filter(user_id=person):
        session.end()


admin.site.login = sign_in  # type: ignore[method-assign, assignment]
admin.site.password_change = change_password  # type: ignore[method-assign, assignment]
