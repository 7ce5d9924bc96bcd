"""Django's entry for the caches records."""

from django.apps import AppConfig


class CachesConfig(AppConfig):
    name = "pipelines.caches"
    label = "caches"
