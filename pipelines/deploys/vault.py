"""An environment's secrets: put, replaced and removed by people; no page or answer ever gives one back."""

from django.core.exceptions import ValidationError
from django.db import transaction

from pipelines.audit.record import record
from pipelines.deploys.models import Environment, EnvironmentSecret
from pipelines.projects.vault import BadSecret


def put(environment: Environment, name: str, value: str, by: str) -> bool:
    """Keep `value` under `name`, in place of what was there; gives whether it is new. Raises BadSecret.

    It reaches the hosts with the next deploy. Lines that end as browsers send them are mended.
    """
    secret = EnvironmentSecret(environment=environment, name=name, value=value.replace("\r\n", "\n"))
    try:
        secret.clean_fields(exclude=["environment"])
        secret.clean()
    except ValidationError as error:
        raise BadSecret(" ".join(f"{field}: {' '.join(said)}" for field, said in error.message_dict.items())) from error
    with transaction.atomic():
        kept, is_new = EnvironmentSecret.objects.update_or_create(
            environment=environment, name=secret.name, defaults={"value": secret.value}
        )
        record(by, "added" if is_new else "changed", _subject(kept), fields=["value"])
    return is_new


def remove(environment: Environment, name: str, by: str) -> bool:
    """Forget it; gives whether it was there."""
    with transaction.atomic():
        found = EnvironmentSecret.objects.filter(environment=environment, name=name).defer("value").first()
        if found is not None:
            subject = _subject(found)
            found.delete()
            record(by, "deleted", subject, fields=[])
    return found is not None


def _subject(secret: EnvironmentSecret) -> str:
    """As the admin's own changes are told."""
    return f"{secret._meta.verbose_name} {secret}"[:150]
