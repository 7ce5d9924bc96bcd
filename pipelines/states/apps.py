"""Django's entry for the states records."""

from django.apps import AppConfig


class StatesConfig(AppConfig):
    name = "pipelines.states"
    label = "states"
