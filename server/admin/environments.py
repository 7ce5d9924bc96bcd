"""Environments: where releases go, when and by whom, how carefully, with which values."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from pipelines.deploys import queue, requests
from pipelines.deploys.models import Environment, EnvironmentSecret
from pipelines.errors import UserError
from server import access
from server.admin import balancers, bastions, inventories, rules, secrets, settings_lines, strategies
from server.admin.audited import Audited, Inline
from server.admin.kept import KeptWithHistory
from server.admin.protection import Alarms, Freezes


class EnvironmentSecretForm(secrets.WriteOnlyForm):
    write_only = needed = ("value",)
    value = secrets.text("Value", "Reaches the hosts with the next deploy; a rollback brings no old one back")

    class Meta:
        model = EnvironmentSecret
        fields = ("environment", "name", "value")


class EnvironmentForm(secrets.WriteOnlyForm):
    write_only = ("inventory_secret", "balancer_secret")
    inventory_secret = secrets.text(
        "Cloud credentials",
        f"Empty for a new environment: the rights of the machine that deploys. {inventories.credentials_help()}",
    )
    balancer_secret = secrets.line(
        "Balancer credentials", "For AWS as access_key_id:secret_access_key; empty for a new environment: as above"
    )
    configuration = forms.CharField(
        label="Configuration",
        required=False,
        widget=forms.Textarea(attrs={"rows": 8, "cols": 60, "spellcheck": "false"}),
        help_text="Plain values as KEY=VALUE, one on a line. Every change is a new version; deploys use the newest, "
        "rollbacks the one that their release had.",
    )

    strategy = forms.JSONField(
        required=False,
        help_text="As in the pipeline file; empty: what each release proposes. As JSON: " + strategies.EXAMPLES,
    )

    class Meta:
        model = Environment
        exclude = ("current", "fence")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["strategy"] = strategies.written(self.instance.strategy)
        self.fields["configuration"].initial = settings_lines.written(self._newest())
        self.fields["balancer"].help_text = " or ".join(balancers.EXAMPLES.values())
        self.fields["inventory"].help_text = inventories.examples()

    def clean_configuration(self) -> dict[str, str]:
        try:
            return settings_lines.read(self.cleaned_data["configuration"])
        except UserError as error:
            raise forms.ValidationError(str(error)) from error

    def clean_ref_pattern(self) -> str:
        pattern: str = self.cleaned_data["ref_pattern"]
        if not pattern.startswith("refs/"):
            raise forms.ValidationError("A full ref begins with refs/: refs/heads/main, or refs/tags/v* for tags.")
        return pattern

    def clean_strategy(self) -> dict[str, Any] | None:
        try:
            return strategies.read(self.cleaned_data["strategy"])
        except UserError as error:
            raise forms.ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        for field, problem in rules.problems(self.instance, cleaned):
            self.add_error(field if field in self.fields else None, problem)
        if "inventory" in cleaned and "inventory_kind" in cleaned:
            secret = cleaned.get("inventory_secret") or ""
            self._check_inventory(cleaned["inventory_kind"], cleaned["inventory"], secret)
        for field, problem in bastions.problems(cleaned):
            self.add_error(field, problem)
        if "balancer" in cleaned and "balancer_kind" in cleaned:
            for problem in balancers.problems(cleaned["balancer_kind"], cleaned["balancer"]):
                self.add_error("balancer", problem)
        return cleaned

    def _check_inventory(self, kind: str, inventory: Any, secret: str) -> None:
        """Credentials that are stored already cannot be taken away by typing nothing, so they are not complained of."""
        for problem in inventories.problems(kind, inventory):
            self.add_error("inventory", problem)
        if not secret or "inventory_secret" in self.changed_data:
            for problem in inventories.credential_problems(kind, inventory, secret):
                self.add_error("inventory_secret", problem)

    def changed_configuration(self) -> dict[str, str] | None:
        """The new values, None when they are as before."""
        values: dict[str, str] = self.cleaned_data["configuration"]
        return values if values != self._newest() else None

    def _newest(self) -> dict[str, str]:
        last = self.instance.configurations.order_by("version").last() if self.instance.pk else None
        return last.values if last else {}


class EnvironmentSecrets(Inline):
    model = EnvironmentSecret
    form = EnvironmentSecretForm
    readonly_fields = ("changed_at",)


@admin.register(Environment)
class EnvironmentAdmin(KeptWithHistory, Audited):
    form = EnvironmentForm
    list_display = ("name", "project", "ref_pattern", "automatic", "inventory_kind", "current", "on_breach")
    list_filter = ("project", "inventory_kind", "automatic")
    search_fields = ("name", "project__name")
    list_select_related = ("project", "current__project")
    inlines = (EnvironmentSecrets, Freezes, Alarms)
    fieldsets = (
        (None, {"fields": ("project", "name", "url", "is_production")}),
        ("When", {"fields": ("ref_pattern", "automatic", "supersedes", "after", "after_seconds")}),
        ("By whom", {"fields": ("approvals", "approver_team")}),
        (
            "Where",
            {
                "fields": (
                    *("inventory_kind", "inventory", "inventory_secret"),
                    *("max_drop", "adopts", "repairs", "inspect_seconds"),
                )
            },
        ),
        (
            "How it signs in",
            {
                "fields": (
                    *("credential", "ssh_user", "ssh_port", "host_key_policy"),
                    *("bastion_address", "bastion_port", "bastion_user", "bastion_credential"),
                )
            },
        ),
        ("How users reach it", {"fields": ("balancer_kind", "balancer", "balancer_secret")}),
        (
            "How carefully",
            {"fields": ("strategy", "at_once", "max_failures", "max_unreachable", "on_breach", "keep_releases")},
        ),
        ("After it", {"fields": ("watch_seconds", "mail_to")}),
        ("With which values", {"fields": ("configuration",)}),
    )

    def why_kept(self, obj: Environment) -> str:
        if not obj.deploys.exists():
            return ""
        return (
            f"The record of the deploys to {obj} is kept, so it cannot be deleted. "
            "To retire it, switch “Automatic” off: then nothing goes there unless somebody asks."
        )

    def save_model(self, request: HttpRequest, obj: Environment, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        values = form.changed_configuration()
        if values is not None:
            requests.change_configuration(obj, values, access.actor(request.user))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """What waits there waits by the new rules."""
        super().save_related(request, form, formsets, change)
        queue.settle(form.instance.pk)


@admin.register(EnvironmentSecret)
class EnvironmentSecretAdmin(Audited):
    form = EnvironmentSecretForm
    list_display = ("name", "environment", "changed_at")
    list_filter = ("environment__project",)
    search_fields = ("name", "environment__name")
    list_select_related = ("environment__project",)
