"""Django's entry for the logs records."""

from django.apps import AppConfig


class LogsConfig(AppConfig):
    name = "pipelines.logs"
    label = "logs"
