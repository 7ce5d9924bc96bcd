"""People and teams: Django's own pages, for operators, with every change an act of the audit."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest

from server.admin.audited import Audits, OperatorsOnly

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class PersonAdmin(OperatorsOnly, Audits, UserAdmin):  # type: ignore[type-arg]
    """`is_superuser` makes an operator; what others may do in a project comes from their teams."""

    list_display = ("username", "email", "is_active", "is_superuser", "last_login")
    list_filter = ("is_active", "is_superuser", "groups")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("May", {"fields": ("is_active", "is_superuser", "groups")}),
    )
    filter_horizontal = ("groups",)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Django's admin and the queue's dashboard admit staff: operators are, and nobody else."""
        obj.is_staff = obj.is_superuser
        super().save_model(request, obj, form, change)


@admin.register(Group)
class TeamAdmin(OperatorsOnly, Audits, GroupAdmin):
    """A team: people who have the same role in a project."""

    fields = ("name",)
    filter_horizontal = ()
