"""Django's entry for the schedules records."""

from django.apps import AppConfig


class SchedulesConfig(AppConfig):
    name = "pipelines.schedules"
    label = "schedules"
