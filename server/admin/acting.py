"""What operators do to several records at once: by the verbs of the pages, one by one, each told in the audit."""

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from pipelines.deploys import requests
from pipelines.errors import LostRace, UserError
from pipelines.roster import lifecycle as roster
from pipelines.runs import lifecycle as runs
from pipelines.schedules import lifecycle as schedules
from server import access

Verb = Callable[[Any, str], object]


def each(request: HttpRequest, rows: Iterable[Model], verb: Verb, did: str) -> None:
    """Do it to each; what cannot be done is told and keeps none of the others."""
    done = 0
    for row in rows:
        try:
            verb(row, access.actor(request.user))
            done += 1
        except (UserError, LostRace) as error:
            messages.error(request, f"{row}: {error}.")
    messages.success(request, f"{did}: {done}.")


@admin.action(description="Cancel chosen runs")
def cancel_runs(model: Any, request: HttpRequest, queryset: QuerySet[Any]) -> None:
    each(request, queryset.filter(finished_at=None).select_related("project"), runs.cancel, "Asked to stop")


@admin.action(description="Cancel chosen deploys")
def cancel_deploys(model: Any, request: HttpRequest, queryset: QuerySet[Any]) -> None:
    rows = queryset.filter(finished_at=None).select_related("environment__project", "release", "log")
    each(request, rows, requests.cancel, "Asked to stop")


@admin.action(description="Let chosen runners take nothing new")
def drain(model: Any, request: HttpRequest, queryset: QuerySet[Any]) -> None:
    each(request, queryset, lambda row, actor: roster.drain(row.name, actor), "Drain")


@admin.action(description="Let chosen runners work again")
def undrain(model: Any, request: HttpRequest, queryset: QuerySet[Any]) -> None:
    each(request, queryset, lambda row, actor: roster.undrain(row.name, actor), "Work again")


@admin.action(description="Pause chosen schedules")
def pause(model: Any, request: HttpRequest, queryset: QuerySet[Any]) -> None:
    each(request, queryset.select_related("project"), schedules.pause, "Paused")


@admin.action(description="Resume chosen schedules")
def resume(model: Any, request: HttpRequest, queryset: QuerySet[Any]) -> None:
    each(request, queryset.select_related("project"), schedules.resume, "Resumed")
