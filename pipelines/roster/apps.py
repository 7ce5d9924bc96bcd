"""Django's entry for the roster records."""

from django.apps import AppConfig


class RosterConfig(AppConfig):
    name = "pipelines.roster"
    label = "roster"
