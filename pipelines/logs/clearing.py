"""A log whose text is kept no longer: a sentence stands in its place."""

from functools import partial

from django.core.files.storage import default_storage
from django.db import transaction

from pipelines.logs.models import Chunk, Log, Page


def clear(log: Log, notice: str) -> bool:
    """Put `notice` in place of a closed log's text, and let the text go; False when somebody else has changed it.

    The file goes after the commit: a reader that comes between the two finds either the text or the sentence.
    """
    data, archive = notice.encode(), log.archive
    with transaction.atomic():
        mine = Log.objects.filter(pk=log.pk, size=log.size, archive=archive, closed_at__isnull=False)
        if mine.update(size=len(data), raw_size=len(data), archive="", place=None) != 1:
            return False
        Chunk.objects.filter(log=log).delete()
        Page.objects.filter(log=log).delete()
        Chunk.objects.create(log=log, offset=0, raw_until=len(data), data=data, at=log.closed_at)
    if archive:
        default_storage.delete(archive)
    return True


def forget(logs: list[int]) -> None:
    """Delete the rows of logs that nothing names any more, in the caller's transaction; their files go after it."""
    rows = Log.objects.filter(pk__in=logs)
    for archive in rows.exclude(archive="").values_list("archive", flat=True):
        transaction.on_commit(partial(default_storage.delete, archive), robust=True)
    rows.delete()
