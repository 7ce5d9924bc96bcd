"""Who agreed to what, doors of groups, pipelines kept here: to look into. Accounts and templates: to set."""

from django.contrib import admin

from pipelines.logs.models import Page
from pipelines.projects.models import SpecVersion
from pipelines.runs.models import Approval, Group, Identity, Template
from server.admin.audited import Audited, Record


@admin.register(Approval)
class ApprovalAdmin(Record):
    list_display = ("at", "actor", "refused", "run", "stage", "sha")
    list_filter = ("refused", "run__project")
    search_fields = ("actor", "sha", "stage__name")
    list_select_related = ("run__project", "stage__run__project")


@admin.register(Group)
class GroupAdmin(Record):
    list_display = ("name", "project", "entries")
    list_filter = ("project",)
    search_fields = ("name", "project__name")
    list_select_related = ("project",)


@admin.register(Identity)
class IdentityAdmin(Audited):
    """Whose account is whose at the code host: with it nobody approves what their own push started."""

    list_display = ("user", "code_host_id")
    search_fields = ("user__username", "code_host_id")
    list_select_related = ("user",)
    autocomplete_fields = ("user",)


@admin.register(Template)
class TemplateAdmin(Audited):
    """Projects whose pipeline files every other may include."""

    list_display = ("project", "project__clone_url")
    search_fields = ("project__name",)
    list_select_related = ("project",)
    autocomplete_fields = ("project",)


@admin.register(SpecVersion)
class SpecVersionAdmin(Record):
    """Edited on the project's page, where every edit is checked and is a version."""

    list_display = ("project", "number", "author", "message", "restores", "created_at")
    list_filter = ("project",)
    search_fields = ("project__name", "author", "message")
    list_select_related = ("project",)


@admin.register(Page)
class PageAdmin(Record):
    """Where a log can be read from."""

    list_display = ("log_id", "offset", "row", "line")
    search_fields = ("log__id",)
    fields = ("log", "offset", "row", "line", "joined")
