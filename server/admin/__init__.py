"""Django's admin: what operators set up and look into. Every model is registered."""

from django.contrib import admin

from server.admin import (
    agreements,
    deploys,
    environments,
    notifications,
    people,
    projects,
    protection,
    records,
    registries,
    reports,
    roster,
    screens,
    signing,
    stages,
    upkeep,
)

__all__ = [
    "agreements",
    "deploys",
    "environments",
    "notifications",
    "people",
    "projects",
    "protection",
    "records",
    "registries",
    "reports",
    "roster",
    "screens",
    "signing",
    "stages",
    "upkeep",
]

admin.site.site_header = "Slipway"
admin.site.site_title = "Slipway admin"
admin.site.index_title = "Set up and look into"
admin.site.enable_nav_sidebar = False
