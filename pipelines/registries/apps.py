"""Django's entry for the registries records."""

from django.apps import AppConfig


class RegistriesConfig(AppConfig):
    name = "pipelines.registries"
    label = "registries"
