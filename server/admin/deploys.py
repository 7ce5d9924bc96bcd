"""The keys that deploys sign in with, and those that hosts are known by."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from pipelines.deploys import credentials
from pipelines.deploys.models import Credential, CredentialKind, HostKey
from pipelines.errors import UserError
from server.admin import secrets
from server.admin.audited import Audited


class CredentialForm(secrets.WriteOnlyForm):
    write_only = ("private_key",)
    kind = forms.ChoiceField(choices=CredentialKind.choices, initial=CredentialKind.KEY, required=False)
    private_key = secrets.text(
        "Private key", "Without a passphrase; left empty, a new Ed25519 key is made. Of an agent: none is kept here"
    )
    public_key = forms.CharField(
        label="Public key",
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "cols": 60, "spellcheck": "false"}),
        help_text="For the hosts' authorized_keys. Of a kept key it is worked out; of an agent it names the one of its "
        "keys that is to be used, empty: the first few are tried. The agent is found in SSH_AUTH_SOCK by the deploy "
        "workers, so start it before them.",
    )

    class Meta:
        model = Credential
        fields = ("name", "kind", "private_key", "public_key")

    def clean_kind(self) -> str:
        return self.cleaned_data["kind"] or CredentialKind.KEY

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        return self._agent(cleaned) if cleaned.get("kind") == CredentialKind.AGENT else self._key(cleaned)

    def _key(self, cleaned: dict[str, Any]) -> dict[str, Any]:
        name = cleaned.get("name") or self.instance.name
        try:
            given = cleaned.get("private_key")
            pair = credentials.read(given, name) if given else credentials.generate(name)
        except UserError as error:
            self.add_error("private_key", str(error))
            return cleaned
        return {**cleaned, "private_key": pair.private, "public_key": pair.public}

    def _agent(self, cleaned: dict[str, Any]) -> dict[str, Any]:
        """A key that was kept here until now is forgotten."""
        if "private_key" in self.changed_data:
            self.add_error("private_key", "An agent keeps its keys itself: leave this empty, or choose a kept key.")
            return cleaned
        try:
            public = credentials.read_public(cleaned.get("public_key") or "")
        except UserError as error:
            self.add_error("public_key", str(error))
            return cleaned
        return {**cleaned, "private_key": "", "public_key": public}


@admin.register(Credential)
class CredentialAdmin(Audited):
    form = CredentialForm
    list_display = ("name", "kind", "public_key")
    list_filter = ("kind",)
    search_fields = ("name", "public_key")


@admin.register(HostKey)
class HostKeyAdmin(Audited):
    """Approved on the environment's page; here one can be taken back."""

    list_display = ("address", "port", "key_type", "fingerprint", "environment", "pinned_by", "pinned_at")
    list_filter = ("environment__project", "key_type")
    search_fields = ("address", "fingerprint", "environment__name")
    list_select_related = ("environment__project",)
    readonly_fields = ("pinned_by", "pinned_at")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
