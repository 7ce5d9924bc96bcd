"""Django's admin: what operators set up and look into. Every model is registered."""

from django.contrib import admin

from server.admin import deploys, people, projects, records

__all__ = ["deploys", "people", "projects", "records"]

admin.site.site_header = "Slipway"
admin.site.site_title = "Slipway admin"
admin.site.index_title = "Set up and look into"
admin.site.enable_nav_sidebar = False
