"""Django's entry for the records of screens."""

from django.apps import AppConfig


class ScreensConfig(AppConfig):
    name = "pipelines.screens"
    label = "screens"
