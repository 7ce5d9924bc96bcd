"""Artifacts whose time is over go; what a release ships stays, and what a run still needs."""

from datetime import datetime, timedelta

from django.core.files.storage import default_storage
from django.db.models import Exists, OuterRef
from django.utils import timezone

from pipelines.runs.models import Artifact, Stage

AT_ONCE = 200
# Files are named by their content: who stores the same again must find it, so it goes a day after its last row.
REST = timedelta(days=1)


def expire(now: datetime | None = None) -> int:
    """Let go of artifacts that are kept no longer, and of the files that none names any more; returns how many ended.

    Safe beside others that do the same.
    """
    now = now or timezone.now()
    needed = Stage.objects.filter(taken_from=OuterRef("attempt__stage"), run__finished_at=None)
    over = Artifact.objects.filter(
        ~Exists(needed), expires_at__lt=now, expired_at=None, releases=None, attempt__stage__run__finished_at__lt=now
    )
    ended = Artifact.objects.filter(pk__in=list(over.values_list("pk", flat=True)[:AT_ONCE]), releases=None)
    count = ended.update(expired_at=now)
    _delete_files(now - REST)
    return count


def _delete_files(before: datetime) -> None:
    gone = Artifact.objects.filter(expired_at__lt=before).exclude(storage_name="")
    for name in set(gone.values_list("storage_name", flat=True)[:AT_ONCE]):
        if not Artifact.objects.filter(storage_name=name, expired_at=None).exists():
            default_storage.delete(name)
        gone.filter(storage_name=name).update(storage_name="")
