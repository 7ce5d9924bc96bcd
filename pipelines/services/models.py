"""What ran beside an attempt."""

from django.db import models

from pipelines.logs.models import Log
from pipelines.runs.models import Attempt


class Service(models.Model):
    """One service of an attempt. `condition` is for people, in words: starting, ready, ended with code 1."""

    attempt = models.ForeignKey(Attempt, on_delete=models.CASCADE, related_name="services")
    name = models.CharField(max_length=63, help_text="Its host name for the stage")
    image = models.CharField(max_length=500)
    condition = models.CharField(max_length=300)
    log = models.OneToOneField(Log, on_delete=models.PROTECT, related_name="service")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["attempt", "name"], name="service_once")]

    def __str__(self) -> str:
        return f"service {self.name} of {self.attempt}"
