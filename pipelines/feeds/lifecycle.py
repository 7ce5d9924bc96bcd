"""Make keys, take them away, and find what one opens."""

import hmac
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from pipelines.audit.record import record
from pipelines.feeds.models import Badge, Calendar, digest_of, new_key
from pipelines.projects.models import Project

_USE_NOTED = timedelta(hours=1)  # its last use is noted no oftener


def badge_of(project: Project) -> Badge:
    """With a key from the first time on that somebody asks for it."""
    return Badge.objects.get_or_create(project=project)[0]


def publish(project: Project, is_public: bool, actor: str) -> None:
    with transaction.atomic():
        Badge.objects.update_or_create(project=project, defaults={"is_public": is_public, "changed_by": actor[:150]})
        record(actor, "made public" if is_public else "made private", f"badges of {project}")


def change_key(project: Project, actor: str) -> None:
    """Whoever has the old one sees nothing from now on."""
    with transaction.atomic():
        Badge.objects.update_or_create(project=project, defaults={"key": new_key(), "changed_by": actor[:150]})
        record(actor, "changed the key", f"badges of {project}")


def opens(project: Project, key: str) -> bool:
    """Whether badges of the project are shown to anybody, or to who has this key."""
    badge = Badge.objects.filter(project=project).first()
    return badge is not None and (badge.is_public or hmac.compare_digest(badge.key.encode(), key.encode()))


def make_calendar(person: User, project: Project | None, actor: str) -> Calendar:
    """A new address for it; the one before opens nothing any more."""
    key = new_key()
    with transaction.atomic():
        Calendar.objects.filter(person=person, project=project, revoked_at=None).update(revoked_at=timezone.now())
        made = Calendar.objects.create(person=person, project=project, key=key, digest=digest_of(key))
        record(actor, "made", str(made))
    return made


def revoke_calendar(calendar: Calendar, actor: str) -> None:
    """For good; harmless when it is revoked already."""
    with transaction.atomic():
        if Calendar.objects.filter(pk=calendar.pk, revoked_at=None).update(revoked_at=timezone.now()):
            record(actor, "revoked", str(calendar))


def calendar_of(key: str) -> Calendar | None:
    """The one that the key opens, while its person is active; its use is noted."""
    rows = Calendar.objects.filter(digest=digest_of(key), revoked_at=None, person__is_active=True)
    found = rows.select_related("person", "project").first()
    if found is not None and (found.last_used_at is None or timezone.now() - found.last_used_at > _USE_NOTED):
        Calendar.objects.filter(pk=found.pk).update(last_used_at=timezone.now())
    return found


def calendars_of(person: User, project: Project | None) -> Calendar | None:
    return Calendar.objects.filter(person=person, project=project, revoked_at=None).first()
