"""Django's entry for the services records."""

from django.apps import AppConfig


class ServicesConfig(AppConfig):
    name = "pipelines.services"
    label = "services"
