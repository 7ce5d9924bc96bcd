"""Django's entry for the feeds' records."""

from django.apps import AppConfig


class FeedsConfig(AppConfig):
    name = "pipelines.feeds"
    label = "feeds"
