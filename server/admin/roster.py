"""Runners and schedules, to look into: they are changed on their pages."""

from django.contrib import admin

from pipelines.roster.models import Machine, Runner
from pipelines.schedules.models import Schedule
from server.admin import acting
from server.admin.audited import Record


@admin.register(Runner)
class RunnerAdmin(Record):
    list_display = ("name", "kind", "host", "labels", "version", "seen_at", "drain_requested_at", "leaves")
    list_filter = ("kind", "host")
    search_fields = ("name",)
    actions = (acting.drain, acting.undrain)


@admin.register(Machine)
class MachineAdmin(Record):
    list_display = ("host", "drain_requested_at", "drain_requested_by")
    search_fields = ("host",)


@admin.register(Schedule)
class ScheduleAdmin(Record):
    list_display = ("name", "project", "source", "cron", "timezone", "ref", "next_at", "paused_at", "problem")
    list_filter = ("source", "project")
    search_fields = ("name", "project__name")
    list_select_related = ("project",)
    actions = (acting.pause, acting.resume)
