"""Django's entry for the runs records."""

from django.apps import AppConfig


class RunsConfig(AppConfig):
    name = "pipelines.runs"
    label = "runs"
