"""What all our admin pages share: operators alone, every change an act of the audit, records read-only."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from pipelines.audit.record import record
from pipelines.projects.secrets import EncryptedTextField
from server import access


class OperatorsOnly:
    """`access` decides, not Django's table of permissions."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return access.is_operator(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access.is_operator(request.user)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access.is_operator(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access.is_operator(request.user)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access.is_operator(request.user)


class Audits:
    """Writes an act for every save and delete: who, what, the names of the changed fields; never a value."""

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> LogEntry:
        _record(request, "added", obj, message)
        entry: LogEntry = super().log_addition(request, obj, message)  # type: ignore[misc]
        return entry

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> LogEntry:
        _record(request, "changed", obj, message)
        entry: LogEntry = super().log_change(request, obj, message)  # type: ignore[misc]
        return entry

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Model]) -> Any:
        for obj in queryset:
            _record(request, "deleted", obj, [])
        return super().log_deletions(request, queryset)  # type: ignore[misc]


class Audited(OperatorsOnly, Audits, admin.ModelAdmin):  # type: ignore[type-arg]
    """A model that operators set up."""


class Inline(OperatorsOnly, admin.TabularInline):  # type: ignore[type-arg]
    """Rows that are edited with what they belong to."""

    extra = 0


class Record(OperatorsOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """What happened: to look at, never to change."""

    list_per_page = 50
    show_full_result_count = False

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """What is encrypted in the database stays unseen here."""
        return [field.name for field in self.model._meta.fields if isinstance(field, EncryptedTextField)]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _record(request: HttpRequest, verb: str, obj: Model, message: Any) -> None:
    subject = f"{obj._meta.verbose_name} {obj}"
    record(access.actor(request.user), verb, subject[:150], fields=sorted(set(_fields(message))))


def _fields(message: Any) -> Iterable[str]:
    """Names of changed fields out of Django's own description of a change."""
    for part in message if isinstance(message, list) else []:
        for what in part.values():
            row = f"{what['name']} {what['object']}: " if "object" in what else ""
            yield from (row + field for field in what.get("fields", [])) if what.get("fields") else [row.rstrip(": ")]
