"""What keeps deploys away, what is watched after them, and who has agreed to them."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest

from pipelines.deploys import alarms, locks, queue
from pipelines.deploys.models import Alarm, DeployApproval, Freeze, Inspection, Lock, LockLevel
from pipelines.deploys.protection import freezes
from pipelines.errors import LostRace, UserError
from server import access
from server.admin.audited import Audited, Inline, OperatorsOnly, Record

ONE_SCOPE = "Choose an environment or a project; with neither it holds for the whole server."

_WINDOW = ("timezone", "weekly_from", "weekly_until", "starts_at", "ends_at")


class FreezeForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Freeze
        fields = (
            *("name", "project", "environment", "timezone"),
            *("weekly_from", "weekly_until", "starts_at", "ends_at"),
        )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("project") and cleaned.get("environment"):
            self.add_error("project", ONE_SCOPE)
        if not self.errors:
            window = Freeze(**{name: cleaned[name] for name in _WINDOW})
            for field, problem in freezes.problems(window):
                self.add_error(field, problem)
        return cleaned


class AlarmForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Alarm
        fields = ("environment", "name", "cause", "kind", "settings", "alert", "action")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            watched = Alarm(**{name: cleaned[name] for name in ("cause", "kind", "settings", "alert", "action")})
            for problem in alarms.problems(watched):
                self.add_error(None, problem)
        return cleaned


class LockForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Lock
        fields = ("project", "environment", "level", "reason", "expires_at")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("project") and cleaned.get("environment"):
            self.add_error("project", ONE_SCOPE)
        for field, problem in locks.problems(cleaned.get("reason", ""), cleaned.get("expires_at")):
            if field not in self.errors:
                self.add_error(field, problem)
        return cleaned


class ReleaseForm(ActionForm):
    """Of somebody else's lock everybody will ask why it has ended."""

    why = forms.CharField(max_length=300, required=False, label="Why")


class Freezes(Inline):
    model = Freeze
    form = FreezeForm
    exclude = ("project",)


class Alarms(Inline):
    model = Alarm
    form = AlarmForm


@admin.register(Freeze)
class FreezeAdmin(Audited):
    form = FreezeForm
    list_display = ("name", "project", "environment", "weekly_from", "weekly_until", "timezone", "starts_at", "ends_at")
    list_filter = ("project",)
    search_fields = ("name",)
    list_select_related = ("project", "environment__project")

    def save_model(self, request: HttpRequest, obj: Freeze, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        queue.settle_all()

    def delete_model(self, request: HttpRequest, obj: Freeze) -> None:
        super().delete_model(request, obj)
        queue.settle_all()

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Freeze]) -> None:
        super().delete_queryset(request, queryset)
        queue.settle_all()


@admin.register(Alarm)
class AlarmAdmin(Audited):
    form = AlarmForm
    list_display = ("name", "environment", "kind", "cause", "alert", "action")
    list_filter = ("kind", "action", "environment__project")
    search_fields = ("name", "cause", "environment__name")
    list_select_related = ("environment__project",)


@admin.register(Lock)
class LockAdmin(OperatorsOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """Taken and released by the same verbs as on an environment's page, which are acts of the audit; never deleted."""

    form = LockForm
    list_display = ("reason", "level", "project", "environment", "taken_by", "taken_at", "expires_at", "released_at")
    list_filter = ("level", "released_at")
    search_fields = ("reason", "taken_by")
    list_select_related = ("project", "environment__project")
    actions = ("release",)
    action_form = ReleaseForm

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Lock, form: Any, change: bool) -> None:
        assert isinstance(request.user, User)
        taken = locks.take(
            obj.environment or obj.project,
            request.user,
            access.actor(request.user),
            obj.reason,
            level=LockLevel(obj.level),
            expires_at=obj.expires_at,
        )
        obj.pk = taken.pk

    @admin.action(description="Release the chosen locks", permissions=["view"])
    def release(self, request: HttpRequest, chosen: QuerySet[Lock]) -> None:
        for lock in chosen:
            try:
                locks.release(lock, access.actor(request.user), request.POST.get("why", "").strip()[:300])
            except (UserError, LostRace) as error:
                messages.error(request, f"{lock}: {error}.")


@admin.register(DeployApproval)
class DeployApprovalAdmin(Record):
    list_display = ("deploy", "actor", "refused", "plan", "at")
    list_filter = ("refused",)
    search_fields = ("actor", "deploy__environment__name")
    list_select_related = ("deploy__environment", "deploy__release__project")


@admin.register(Inspection)
class InspectionAdmin(Record):
    list_display = ("environment", "due_at", "ended_at", "error")
    list_filter = ("environment__project",)
    search_fields = ("environment__name", "error")
    list_select_related = ("environment__project",)
