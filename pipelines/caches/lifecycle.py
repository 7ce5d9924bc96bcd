"""Caches come, are used and go."""

from collections.abc import Sequence
from datetime import timedelta

from django.core.files.storage import storages
from django.db import IntegrityError, transaction
from django.db.models import Sum
from django.utils import timezone

from pipelines.caches.models import Cache
from pipelines.projects.models import Project

_IN_USE = timedelta(hours=1)  # what was taken so lately may still be on its way into a container
_AT_ONCE = 50


def store(cache: Cache) -> bool:
    """Record what lies in storage; False, and its file is removed again, when another was first with the same key."""
    try:
        with transaction.atomic():
            cache.save(force_insert=True)
    except IntegrityError:
        storages["default"].delete(cache.storage_name)
        return False
    return True


def use(cache: Cache) -> None:
    Cache.objects.filter(pk=cache.pk).update(used_at=timezone.now())


def forget(caches: Sequence[Cache]) -> None:
    """First the records, so that nobody finds one whose file is gone; a file that stays behind harms nobody."""
    for cache in caches:
        if Cache.objects.filter(pk=cache.pk).delete()[0]:
            storages["default"].delete(cache.storage_name)


def supersede(cache: Cache) -> None:
    """Forget those of the same name and scope that are older, and that nobody has taken lately."""
    older = Cache.objects.filter(project=cache.project_id, scope=cache.scope, name=cache.name, pk__lt=cache.pk)
    forget(list(older.filter(used_at__lt=timezone.now() - _IN_USE)[:_AT_ONCE]))


def evict(project: Project, bytes_max: int) -> int:
    """Forget what has not been used for longest until the project's caches are within the bound; returns how many.

    The newest stays, however large it is.
    """
    gone = 0
    while (total := Cache.objects.filter(project=project).aggregate(total=Sum("size"))["total"] or 0) > bytes_max:
        oldest = list(Cache.objects.filter(project=project).order_by("used_at", "pk")[: _AT_ONCE + 1])
        spare, over = oldest[:-1] if len(oldest) <= _AT_ONCE else oldest[:_AT_ONCE], total - bytes_max
        doomed: list[Cache] = []
        for cache in spare:
            if over > 0:
                doomed.append(cache)
                over -= cache.size
        forget(doomed)
        gone += len(doomed)
        if not doomed:
            break
    return gone
