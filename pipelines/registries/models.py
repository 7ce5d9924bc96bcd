"""Registries of images that need a sign-in, or that images may be pushed to."""

from django.core.validators import RegexValidator
from django.db import models

from pipelines.projects.models import Project
from pipelines.projects.secrets import EncryptedTextField

HOST = RegexValidator(
    r"\A[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?\Z",
    "A host as images' names begin with it, with its port if it has one: registry.example.org:5000",
)


class Registry(models.Model):
    """How one project, or every project, signs in to a registry. Only to a registry that is listed images are pushed;
    one without a user name is open to all who reach it."""

    host = models.CharField(
        max_length=255, validators=[HOST], help_text="As images' names begin: registry.example.org, or docker.io"
    )
    username = models.CharField(max_length=200, blank=True, help_text="Empty for a registry that asks nobody")
    password = EncryptedTextField(blank=True, default="")
    project = models.ForeignKey(
        Project,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="registries",
        help_text="Whose it is; empty: every project's",
    )
    may_push = models.BooleanField(default=True, help_text="May image builds push there?")

    class Meta:
        verbose_name_plural = "registries"
        constraints = [
            models.UniqueConstraint(fields=["host", "project"], name="registry_once"),
            models.UniqueConstraint(
                fields=["host"], name="registry_of_all_once", condition=models.Q(project__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.host} ({self.username or 'open'})"
