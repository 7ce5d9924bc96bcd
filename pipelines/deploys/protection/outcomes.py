"""Migrations of which nobody knows how they ended."""

from django.db.models import QuerySet

from pipelines.deploys.models import Deploy, Environment


def unknown(environment: Environment) -> QuerySet[Deploy]:
    """The deploys that began one there, the newest first."""
    return environment.deploys.filter(migration_begun_at__isnull=False, migrated_at=None).order_by("-fence")
