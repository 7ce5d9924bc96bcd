"""What stages left beside their logs: services that ran with them, caches for later runs."""

from django.contrib import admin

from pipelines.caches.models import Cache
from pipelines.services.models import Service
from server.admin.audited import Record


@admin.register(Service)
class ServiceAdmin(Record):
    list_display = ("name", "attempt", "image", "condition")
    search_fields = ("name", "image", "attempt__stage__name")
    list_select_related = ("attempt__stage__run__project",)


@admin.register(Cache)
class CacheAdmin(Record):
    list_display = ("name", "project", "scope", "size", "created_at", "used_at")
    list_filter = ("project",)
    search_fields = ("name", "scope", "project__name")
    list_select_related = ("project",)
