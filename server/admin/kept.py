"""What has a history is kept with it: the admin says so in a sentence instead of listing every row that holds it."""

from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse


class KeptWithHistory:
    """For a model of which only the unused rows may go; one at a time, so that each refusal has its own words."""

    def why_kept(self, obj: Any) -> str:
        """Why this row stays and what to do instead; empty for one that nothing happened to."""
        raise NotImplementedError

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        obj: Model | None = self.get_object(request, unquote(object_id))  # type: ignore[attr-defined]
        if obj is None or not (why := self.why_kept(obj)):
            answer: HttpResponse = super().delete_view(request, object_id, extra_context)  # type: ignore[misc]
            return answer
        messages.error(request, why)
        return redirect(reverse(f"admin:{obj._meta.app_label}_{obj._meta.model_name}_change", args=[object_id]))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)  # type: ignore[misc]
        actions.pop("delete_selected", None)
        return actions

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Records are nobody's to delete one by one, but they go with what they belong to."""
        rows, counts, _, protected = super().get_deleted_objects(objs, request)  # type: ignore[misc]
        return rows, counts, set(), protected
