"""The record of acts."""

from django.db import models


class Act(models.Model):
    """Somebody did something. Rows never change, but for the sealer, who gives each its place in the hash chain."""

    at = models.DateTimeField(auto_now_add=True)
    actor = models.CharField(max_length=150, help_text="A person's name and number, or the part of Slipway that acted")
    verb = models.CharField(max_length=60)
    subject = models.CharField(max_length=150)
    reason = models.TextField(blank=True)
    facts = models.JSONField(default=dict)
    place = models.PositiveBigIntegerField(null=True, unique=True, editable=False)
    seal = models.CharField(max_length=64, blank=True, editable=False)

    class Meta:
        indexes = [models.Index(fields=["at"], name="act_by_time"), models.Index(fields=["verb"], name="act_by_verb")]

    def __str__(self) -> str:
        return f"{self.actor} {self.verb} {self.subject}"
