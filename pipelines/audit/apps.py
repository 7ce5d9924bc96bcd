"""Django's entry for the audit records."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "pipelines.audit"
    label = "audit"
