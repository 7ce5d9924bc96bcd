"""Django's entry for the retention records."""

from django.apps import AppConfig


class RetentionConfig(AppConfig):
    name = "pipelines.retention"
    label = "retention"
