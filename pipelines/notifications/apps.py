"""Django's entry for the rules of messages."""

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "pipelines.notifications"
    label = "notifications"
