"""How long the record is kept, and the keys of badges and calendars."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from pipelines.feeds import lifecycle
from pipelines.feeds.models import Badge, Calendar
from pipelines.retention.models import Retention, Sweep
from pipelines.tallies.models import Tally
from server import access
from server.admin.audited import Audited, Record


@admin.register(Retention)
class RetentionAdmin(Audited):
    """The page “retention” shows what rules would remove before they are saved: it is linked from here."""

    list_display = ("__str__", "runs_days", "runs_newest", "logs_days", "artifacts_days", "events_days", "changed_by")
    list_filter = ("project",)
    search_fields = ("project__name",)
    list_select_related = ("project",)
    readonly_fields = ("changed_by", "changed_at")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rules are made where they are previewed."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Sweep)
class SweepAdmin(Record):
    list_display = ("__str__", "due_at", "ended_at", "removed")
    search_fields = ("removed",)


@admin.register(Badge)
class BadgeAdmin(Record):
    list_display = ("project", "is_public", "changed_by", "changed_at")
    list_filter = ("is_public",)
    search_fields = ("project__name",)
    list_select_related = ("project",)
    actions = ("hide", "change_key")

    @admin.action(description="Show chosen badges only with their key")
    def hide(self, request: HttpRequest, queryset: QuerySet[Badge]) -> None:
        for badge in queryset.select_related("project"):
            lifecycle.publish(badge.project, False, access.actor(request.user))

    @admin.action(description="Change the keys of chosen badges")
    def change_key(self, request: HttpRequest, queryset: QuerySet[Badge]) -> None:
        for badge in queryset.select_related("project"):
            lifecycle.change_key(badge.project, access.actor(request.user))


@admin.register(Calendar)
class CalendarAdmin(Record):
    """Made on a project's page of feeds; the key is shown there to its person alone."""

    list_display = ("person", "project", "created_at", "last_used_at", "revoked_at")
    list_filter = ("revoked_at", "project")
    search_fields = ("person__username", "project__name")
    list_select_related = ("person", "project")
    actions = ("revoke",)

    @admin.action(description="Revoke chosen calendars")
    def revoke(self, request: HttpRequest, queryset: QuerySet[Calendar]) -> None:
        for calendar in queryset.select_related("person", "project"):
            lifecycle.revoke_calendar(calendar, access.actor(request.user))


@admin.register(Tally)
class TallyAdmin(Record):
    list_display = ("counted", "project_id", "status", "kind", "words", "bucket", "count", "seconds", "is_sum")
    list_filter = ("counted", "status", "is_sum")
    search_fields = ("words",)
