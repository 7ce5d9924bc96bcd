"""Django's entry for the outbox records."""

from django.apps import AppConfig


class OutboxConfig(AppConfig):
    name = "pipelines.outbox"
    label = "outbox"
