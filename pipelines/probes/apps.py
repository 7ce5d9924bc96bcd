"""Django's entry for the probes records."""

from django.apps import AppConfig


class ProbesConfig(AppConfig):
    name = "pipelines.probes"
    label = "probes"
