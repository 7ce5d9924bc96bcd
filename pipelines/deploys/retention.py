"""Artifacts whose time is over go; what a release ships stays, and what a run still needs."""

from datetime import datetime, timedelta

from django.core.files.storage import default_storage
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from pipelines.deploys import releases
from pipelines.runs.models import Artifact, Stage

AT_ONCE = 200
# Files are named by their content: who stores the same again must find it, so it goes a day after its last row.
REST = timedelta(days=1)


def expire(now: datetime | None = None) -> int:
    """Let go of artifacts that are kept no longer, and of the files that none names any more; returns how many ended.

    Safe beside others that do the same.
    """
    now = now or timezone.now()
    over = Artifact.objects.filter(~needed(), expires_at__lt=now, expired_at=None, releases=None)
    ended = Artifact.objects.filter(pk__in=list(over.values_list("pk", flat=True)[:AT_ONCE]), releases=None)
    count = ended.update(expired_at=now)
    _delete_files(now - REST)
    return count


def needed() -> Exists:
    """Whether the run that made an artifact, or one that took it over, is under way or has its release still to cut."""
    here = Q(pk=OuterRef("attempt__stage")) | Q(taken_from=OuterRef("attempt__stage"))
    return Exists(Stage.objects.filter(here, Q(run__finished_at=None) | Q(run__in=releases.uncut())))


def _delete_files(before: datetime) -> None:
    gone = Artifact.objects.filter(expired_at__lt=before).exclude(storage_name="")
    for name in set(gone.values_list("storage_name", flat=True)[:AT_ONCE]):
        if not Artifact.objects.filter(storage_name=name, expired_at=None).exists():
            default_storage.delete(name)
        gone.filter(storage_name=name).update(storage_name="")
