"""Screens on walls, to look into: they are paired and revoked on their own page."""

from django.contrib import admin

from pipelines.screens.models import Screen
from server.admin.audited import Record


@admin.register(Screen)
class ScreenAdmin(Record):
    list_display = ("name", "person", "shows_all", "paired_at", "came_at", "last_seen_at", "revoked_at")
    list_filter = ("shows_all",)
    search_fields = ("name", "person__username")
    list_select_related = ("person",)

    def get_exclude(self, request: object, obj: object = None) -> list[str]:
        """Digests say nothing to anybody."""
        return ["digest", "code_digest"]
