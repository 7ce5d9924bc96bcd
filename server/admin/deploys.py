"""Environments: where releases go, with which keys and values."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from pipelines.deploys import credentials, requests
from pipelines.deploys.models import Credential, Environment, EnvironmentSecret, HostKey
from pipelines.errors import UserError
from server import access
from server.admin import inventories, secrets, settings_lines
from server.admin.audited import Audited, Inline
from server.admin.kept import KeptWithHistory


class CredentialForm(secrets.WriteOnlyForm):
    write_only = ("private_key",)
    private_key = secrets.text("Private key", "Without a passphrase; left empty, a new Ed25519 key is made")

    class Meta:
        model = Credential
        fields = ("name", "private_key")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        name = cleaned.get("name") or self.instance.name
        try:
            given = cleaned.get("private_key")
            pair = credentials.read(given, name) if given else credentials.generate(name)
        except UserError as error:
            self.add_error("private_key", str(error))
            return cleaned
        self.instance.public_key = pair.public
        return {**cleaned, "private_key": pair.private}


class EnvironmentSecretForm(secrets.WriteOnlyForm):
    write_only = needed = ("value",)
    value = secrets.text("Value", "Reaches the hosts with the next deploy; a rollback brings no old one back")

    class Meta:
        model = EnvironmentSecret
        fields = ("environment", "name", "value")


class EnvironmentForm(secrets.WriteOnlyForm):
    write_only = ("inventory_secret",)
    inventory_secret = secrets.line(
        "Cloud credentials", "As access_key_id:secret_access_key; empty for a new environment: the machine's own rights"
    )
    configuration = forms.CharField(
        label="Configuration",
        required=False,
        widget=forms.Textarea(attrs={"rows": 8, "cols": 60, "spellcheck": "false"}),
        help_text="Plain values as KEY=VALUE, one on a line. Every change is a new version; deploys use the newest, "
        "rollbacks the one that their release had.",
    )

    class Meta:
        model = Environment
        exclude = ("current", "fence")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["configuration"].initial = settings_lines.written(self._newest())
        examples = " or ".join(inventories.EXAMPLES.values())
        self.fields["inventory"].help_text = f"For a fixed list and for EC2: {examples}"

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

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if "inventory" in cleaned and "inventory_kind" in cleaned:
            for problem in inventories.problems(cleaned["inventory_kind"], cleaned["inventory"]):
                self.add_error("inventory", problem)
        return cleaned

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
    inlines = (EnvironmentSecrets,)
    fieldsets = (
        (None, {"fields": ("project", "name")}),
        ("When", {"fields": ("ref_pattern", "automatic")}),
        ("Where", {"fields": ("inventory_kind", "inventory", "inventory_secret")}),
        ("How it signs in", {"fields": ("credential", "ssh_user", "ssh_port", "host_key_policy")}),
        ("How carefully", {"fields": ("at_once", "max_failures", "max_unreachable", "on_breach", "keep_releases")}),
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


@admin.register(EnvironmentSecret)
class EnvironmentSecretAdmin(Audited):
    form = EnvironmentSecretForm
    list_display = ("name", "environment", "changed_at")
    list_filter = ("environment__project",)
    search_fields = ("name", "environment__name")


@admin.register(Credential)
class CredentialAdmin(Audited):
    form = CredentialForm
    list_display = ("name", "public_key")
    search_fields = ("name", "public_key")
    readonly_fields = ("public_key",)


@admin.register(HostKey)
class HostKeyAdmin(Audited):
    """Approved on the environment's page; here one can be taken back."""

    list_display = ("address", "port", "key_type", "fingerprint", "environment", "pinned_by", "pinned_at")
    list_filter = ("environment",)
    search_fields = ("address", "fingerprint")
    readonly_fields = ("pinned_by", "pinned_at")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
