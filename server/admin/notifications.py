"""Who hears of what, and what came of sending; to look at. It is changed on each project's page of messages."""

from django.contrib import admin
from django.urls import reverse

from pipelines.notifications.models import Delivery, Digest, Recipient, Rule, Thread
from server.admin.audited import Record


@admin.register(Recipient)
class RecipientAdmin(Record):
    list_display = ("shown", "label", "kind", "project", "made_by", "created_at")
    list_filter = ("kind", "project")
    search_fields = ("shown", "label", "project__name")
    list_select_related = ("project",)

    def view_on_site(self, obj: Recipient) -> str:
        """Its page, where it is tried and removed."""
        return reverse("message-recipient", args=[obj.project.name, obj.pk])


@admin.register(Rule)
class RuleAdmin(Record):
    list_display = ("id", "project", "recipient", "topics", "refs", "environments", "only_changes", "digest_at")
    list_filter = ("only_changes", "project")
    search_fields = ("project__name", "recipient__shown", "recipient__label")
    list_select_related = ("project", "recipient__project")


@admin.register(Delivery)
class DeliveryAdmin(Record):
    list_display = ("id", "recipient", "begun_at", "http_status", "took_ms", "error")
    list_filter = ("http_status",)
    search_fields = ("recipient__shown", "error")
    list_select_related = ("recipient__project",)


@admin.register(Thread)
class ThreadAdmin(Record):
    list_display = ("channel_name", "subject_kind", "subject_id", "channel", "ts")
    list_filter = ("subject_kind",)
    search_fields = ("channel_name",)


@admin.register(Digest)
class DigestAdmin(Record):
    list_display = ("recipient", "day")
    search_fields = ("recipient__shown",)
    list_select_related = ("recipient__project",)
