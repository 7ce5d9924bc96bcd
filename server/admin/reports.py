"""What tests said, to look into: read-only."""

from django.contrib import admin

from pipelines.reports.models import Report, Result, TestCase
from server.admin.audited import Record


@admin.register(Report)
class ReportAdmin(Record):
    list_display = ("run", "stage", "succeeded", "failed", "skipped", "covered", "coverable", "created_at")
    list_filter = ("project",)
    search_fields = ("stage", "run__sha")
    list_select_related = ("run__project",)
    exclude = ("cells",)


@admin.register(Result)
class ResultAdmin(Record):
    list_display = ("test", "report", "outcome", "before", "flaky", "seconds", "message")
    list_filter = ("outcome", "flaky")
    search_fields = ("test__name", "message")
    list_select_related = ("test", "report")


@admin.register(TestCase)
class TestCaseAdmin(Record):
    list_display = ("name", "group", "project", "outcome", "first_run", "last_run", "flaky_at")
    list_filter = ("outcome", "project")
    search_fields = ("name", "group", "file")
    list_select_related = ("project",)
