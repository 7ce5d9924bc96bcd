"""Registries of images with their sign-in."""

from django.contrib import admin

from pipelines.registries.models import Registry
from server.admin import secrets
from server.admin.audited import Audited


class RegistryForm(secrets.WriteOnlyForm):
    write_only = ("password",)
    password = secrets.line("Password", "A token that may only do what the pipelines need is better")

    class Meta:
        model = Registry
        fields = ("host", "username", "password", "project", "may_push")


@admin.register(Registry)
class RegistryAdmin(Audited):
    form = RegistryForm
    list_display = ("host", "username", "project", "may_push")
    list_filter = ("project", "may_push")
    search_fields = ("host", "username", "project__name")
    list_select_related = ("project",)
    autocomplete_fields = ("project",)
