"""A project's secrets: put, replaced and removed by people; no page or answer ever gives one back."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max, QuerySet

from pipelines.audit.models import Act
from pipelines.audit.record import record
from pipelines.errors import UserError
from pipelines.projects.models import Masked, Project, Secret

_ACTS_BACK = 50_000  # of the audit, among which the last change of a secret is looked for


class BadSecret(UserError):
    """The name or value cannot be a secret's."""


@dataclass(frozen=True, slots=True)
class Change:
    """Who changed a secret last, as the audit has it."""

    actor: str
    verb: str


def put(project: Project, name: str, value: str, by: str) -> bool:
    """Keep `value` under `name`, in place of what was there; gives whether it is new. Raises BadSecret.

    Lines that end as browsers send them are mended: a key or certificate is kept as it was pasted.
    """
    return keep(Secret(project=project, name=name, value=value), "project", by)


def remove(project: Project, name: str, by: str) -> bool:
    """Forget it; gives whether it was there."""
    return forget(project.secrets.filter(name=name), by)


def keep(secret: Masked, owner: str, by: str) -> bool:
    """As `put`, for any kind of secret; `owner` is the field that says whose it is."""
    secret.value = secret.value.replace("\r\n", "\n")
    try:
        secret.clean_fields(exclude=[owner])
        secret.clean()
    except ValidationError as error:
        raise BadSecret(" ".join(f"{field}: {' '.join(said)}" for field, said in error.message_dict.items())) from error
    place = {owner: getattr(secret, owner), "name": secret.name}
    with transaction.atomic():
        kept, is_new = type(secret)._default_manager.update_or_create(**place, defaults={"value": secret.value})
        record(by, "added" if is_new else "changed", _subject(kept), fields=["value"])
    return is_new


def forget(named: "QuerySet[Any, Any]", by: str) -> bool:
    """As `remove`, for any kind of secret."""
    with transaction.atomic():
        found = named.defer("value").first()
        if found is not None:
            subject = _subject(found)
            found.delete()
            record(by, "deleted", subject, fields=[])
    return found is not None


def last_changes(secrets: Iterable[Secret]) -> dict[str, Change]:
    """Name → who changed it last; without those that changed so long ago that it is not looked for."""
    names = {_subject(secret): secret.name for secret in secrets}
    newest = Act.objects.aggregate(last=Max("pk"))["last"] or 0
    acts = Act.objects.filter(pk__gt=newest - _ACTS_BACK, subject__in=names).order_by("pk")
    found = acts.values_list("subject", "actor", "verb")
    return {names[subject]: Change(actor, verb) for subject, actor, verb in found}


def _subject(secret: Masked) -> str:
    """As the admin's own changes are told."""
    return f"{secret._meta.verbose_name} {secret}"[:150]
