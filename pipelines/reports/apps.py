"""Django's entry for the reports records."""

from django.apps import AppConfig


class ReportsConfig(AppConfig):
    name = "pipelines.reports"
    label = "reports"
