"""What stages left for later runs."""

from django.db import models

from pipelines.projects.models import Project


class Cache(models.Model):
    """One archive of files; never changed once it is stored.

    `scope` says which runs may read it: see `queries.scopes`. `key` is the digest of the files that it depends on; of a
    cache that depends on none, the time when it was stored.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="caches")
    scope = models.CharField(max_length=270)
    name = models.CharField(max_length=100)
    key = models.CharField(max_length=64)
    digest = models.CharField(max_length=64, help_text="SHA-256 of the stored archive")
    size = models.BigIntegerField(help_text="Bytes of the stored archive")
    storage_name = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "scope", "name", "key"], name="cache_once")]
        indexes = [models.Index(fields=["project", "used_at"])]

    def __str__(self) -> str:
        return f"cache {self.name} of {self.project} for {self.scope}"
