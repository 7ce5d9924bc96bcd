"""Django's entry for the records of people."""

from django.apps import AppConfig


class PeopleConfig(AppConfig):
    name = "pipelines.people"
    label = "people"
