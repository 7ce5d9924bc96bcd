"""Projects with their teams and secrets."""

from django.contrib import admin

from pipelines.projects.models import Member, Project, Secret
from server.admin import secrets
from server.admin.audited import Audited, Inline
from server.admin.kept import KeptWithHistory


class SecretForm(secrets.WriteOnlyForm):
    write_only = needed = ("value",)
    value = secrets.text("Value", "Given to stages that name it, and masked in their logs")

    class Meta:
        model = Secret
        fields = ("project", "name", "value")


class ProjectForm(secrets.WriteOnlyForm):
    write_only = ("webhook_secret", "code_host_token", "deploy_key")
    webhook_secret = secrets.line("Webhook secret", "Left empty, one is made; owners see it on the project's page")
    code_host_token = secrets.line("Code host token", "Used to clone over https and to write commit statuses")
    deploy_key = secrets.text("Deploy key", "Private key to clone over ssh; left empty, one is made when it is needed")

    class Meta:
        model = Project
        fields = (
            "name",
            "clone_url",
            "default_branch",
            "spec_path",
            "webhook_secret",
            "code_host_name",
            "code_host_token",
            "deploy_key",
            "code_host_keys",
            "clone_depth",
            "with_submodules",
            "with_lfs",
            "lfs_hosts",
            "chat_channel",
            "may_be_privileged",
        )


class Members(Inline):
    model = Member
    autocomplete_fields = ("team",)


class Secrets(Inline):
    model = Secret
    form = SecretForm
    readonly_fields = ("changed_at",)


@admin.register(Project)
class ProjectAdmin(KeptWithHistory, Audited):
    form = ProjectForm
    list_display = ("name", "clone_url", "default_branch", "code_host_name", "chat_channel", "created_at")
    search_fields = ("name", "clone_url", "code_host_name")
    inlines = (Members, Secrets)
    readonly_fields = ("public_key",)

    @admin.display(description="Public part of the deploy key")
    def public_key(self, obj: Project) -> str:
        """What the repository's page of deploy keys at the code host is given: to read, not to write."""
        return obj.deploy_key_line or "None: one is made when a project that is cloned over ssh is saved."

    def why_kept(self, obj: Project) -> str:
        if not obj.runs.exists():
            return ""
        return (
            f"The record of the runs of {obj} is kept, so it cannot be deleted. To retire it, remove its webhook at "
            "the code host, switch “Automatic” off in its environments, and take its teams away: then only operators "
            "see it."
        )


@admin.register(Member)
class MemberAdmin(Audited):
    list_display = ("project", "team", "role")
    list_filter = ("role", "project")
    search_fields = ("project__name", "team__name")
    list_select_related = ("project", "team")


@admin.register(Secret)
class SecretAdmin(Audited):
    form = SecretForm
    list_display = ("name", "project", "changed_at")
    list_filter = ("project",)
    search_fields = ("name", "project__name")
    list_select_related = ("project",)
    fields = ("project", "name", "value")
