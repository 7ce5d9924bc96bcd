"""What is told of a service while its attempt runs; each verb proves first that the attempt is still the caller's."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

from pipelines.logs import store as logs
from pipelines.runs.lifecycle import LEASE_SECONDS
from pipelines.runs.models import Attempt
from pipelines.services.models import Service
from pipelines.states import leases


def open_service(attempt: Attempt, name: str, image: str) -> Service:
    """The record of the attempt's service of that name, made if need be. Raises LostLease after a takeover."""
    with _mine(attempt):
        found = Service.objects.select_related("log").filter(attempt=attempt, name=name).first()
        if found is not None:
            return found
        log = logs.open_log()
        return Service.objects.create(attempt=attempt, name=name, image=image[:500], condition="starting", log=log)


def append(attempt: Attempt, service: Service, data: bytes, raw_until: int) -> None:
    """Store masked output that accounts for raw bytes up to `raw_until`. Raises LostLease as `open_service`."""
    with _mine(attempt):
        logs.append(service.log, data, raw_until)


def tell(attempt: Attempt, service: Service, condition: str) -> None:
    """Say in words how it stands. Raises LostLease as `open_service`."""
    with _mine(attempt):
        Service.objects.filter(pk=service.pk).update(condition=condition[:300])
    service.condition = condition[:300]


def end(attempt: Attempt, service: Service, condition: str) -> None:
    """Nothing more will come of it. Raises LostLease as `open_service`."""
    with _mine(attempt):
        Service.objects.filter(pk=service.pk).update(condition=condition[:300])
        logs.close(service.log)
    service.condition = condition[:300]


@contextmanager
def _mine(attempt: Attempt) -> Iterator[None]:
    with transaction.atomic():
        leases.renew(Attempt.objects.filter(pk=attempt.pk), attempt.fence, LEASE_SECONDS)
        yield
