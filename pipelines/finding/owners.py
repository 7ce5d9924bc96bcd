"""Whose a log is: a stage's attempt, a service's beside it, a deploy's, or that of a host in one."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from pipelines.deploys.models import Deploy, HostDeploy
from pipelines.runs.models import Attempt
from pipelines.services.models import Service

_STAGE = ("stage__run__project_id", "stage__run__project__name", "stage__run__number", "stage__name", "number")


@dataclass(frozen=True, slots=True)
class Owner:
    """Where a log belongs. Of a run: `stage` and `attempt`, perhaps a `service`. Of a deploy: perhaps a `host`."""

    project: str
    run: int | None = None
    stage: str = ""
    attempt: int = 0
    service: str = ""
    deploy: int | None = None
    host: str = ""
    at: datetime | None = None


def owners(ids: Collection[int], low: int, high: int) -> dict[int, Owner]:
    """Log id → its owner, of the logs above `low` up to `high` that belong to the projects; four queries.

    The projects are chosen here and not by the database, which would begin with all of their runs.
    """
    found = [*_attempts(low, high), *_services(low, high), *_deploys(low, high), *_hosts(low, high)]
    return {log: owner for log, project, owner in found if project in ids}


_Rows = Iterator[tuple[int, int, Owner]]  # log, project, owner


def _attempts(low: int, high: int) -> _Rows:
    rows = Attempt.objects.filter(log_id__gt=low, log_id__lte=high).values_list("log_id", *_STAGE, "created_at")
    for log, project, name, run, stage, number, at in rows:
        yield log, project, Owner(name, run=run, stage=stage, attempt=number, at=at)


def _services(low: int, high: int) -> _Rows:
    path = (f"attempt__{one}" for one in (*_STAGE, "created_at"))
    rows = Service.objects.filter(log_id__gt=low, log_id__lte=high).values_list("log_id", *path, "name")
    for log, project, name, run, stage, number, at, service in rows:
        yield log, project, Owner(name, run=run, stage=stage, attempt=number, service=service, at=at)


def _deploys(low: int, high: int) -> _Rows:
    path = ("environment__project_id", "environment__project__name", "number", "created_at")
    rows = Deploy.objects.filter(log_id__gt=low, log_id__lte=high).values_list("log_id", *path)
    for log, project, name, number, at in rows:
        yield log, project, Owner(name, deploy=number, at=at)


def _hosts(low: int, high: int) -> _Rows:
    deploy = ("environment__project_id", "environment__project__name", "number", "created_at")
    path = (*(f"deploy__{one}" for one in deploy), "host__name")
    rows = HostDeploy.objects.filter(log_id__gt=low, log_id__lte=high).values_list("log_id", *path)
    for log, project, name, number, at, host in rows:
        yield log, project, Owner(name, deploy=number, host=host, at=at)
