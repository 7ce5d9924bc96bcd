"""How the configuration of two deploys to an environment differs: plain values in full, secrets by name alone."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from pipelines.audit.models import Act
from pipelines.deploys.models import Configuration, Deploy, Environment
from pipelines.deploys.reads.queries import Change, changes

_ACTS = 500  # of an environment's setting up, between two deploys
_VERBS = ("added", "changed", "deleted")


@dataclass(frozen=True, slots=True)
class Difference:
    """`secrets` are names of those that were added, changed or removed in between: their values are kept nowhere, and
    shown to nobody."""

    old: Configuration
    new: Configuration
    changes: Sequence[Change]
    secrets: Sequence[str]


def between(one: Deploy, other: Deploy) -> Difference:
    """From the earlier to the later of two deploys to the same environment."""
    older, newer = sorted((one, other), key=lambda deploy: deploy.pk)
    old, new = older.configuration, newer.configuration
    secrets = secrets_changed(newer.environment, _read_at(older), _read_at(newer))
    return Difference(old, new, changes(old.values, new.values), secrets)


def secrets_changed(environment: Environment, since: datetime, until: datetime) -> list[str]:
    """Names of the environment's secrets that were touched after `since`, up to `until`."""
    rows = environment.secrets.filter(changed_at__gt=since, changed_at__lte=until)
    return sorted({*rows.values_list("name", flat=True), *_told(environment, since, until)})


def _read_at(deploy: Deploy) -> datetime:
    """When it took the secrets to its hosts; one that has not begun would take those of now."""
    return deploy.started_at or (timezone.now() if deploy.finished_at is None else deploy.created_at)


def _told(environment: Environment, since: datetime, until: datetime) -> Iterator[str]:
    """What the audit says of them: a row tells only when it was changed last, and of one that is gone there is none."""
    place = str(environment)
    secret = re.compile(rf"environment secret (\w+) of {re.escape(place)}")
    own = Q(subject=f"environment {place}"[:150]) | Q(subject__startswith="environment secret ")
    acts = Act.objects.filter(own, verb__in=_VERBS, at__gt=since, at__lte=until).order_by("-pk")
    for subject, facts in acts.values_list("subject", "facts")[:_ACTS]:
        for words in (subject, *facts.get("fields", [])):
            if found := secret.match(str(words)):
                yield found[1]
