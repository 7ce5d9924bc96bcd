"""Django's entry for the deploys records."""

from django.apps import AppConfig


class DeploysConfig(AppConfig):
    name = "pipelines.deploys"
    label = "deploys"
