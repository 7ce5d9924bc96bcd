"""Django's entry for the projects records."""

from django.apps import AppConfig


class ProjectsConfig(AppConfig):
    name = "pipelines.projects"
    label = "projects"
