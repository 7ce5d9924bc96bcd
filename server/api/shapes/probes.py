"""Questions that a control worker answers, and what it answered."""

from datetime import datetime
from typing import Any

from ninja import Field, Schema

from pipelines.probes.models import Probe
from pipelines.states.status import Status


class ProbeShape(Schema):
    """`answer` is there once it has succeeded; what went wrong stands in `reason`."""

    id: int
    kind: str
    status: Status
    reason: str
    asked_by: str
    asked_at: datetime
    finished_at: datetime | None
    answer: dict[str, Any] | None = Field(description="As its kind says")


def probe(found: Probe) -> ProbeShape:
    return ProbeShape(
        id=found.pk,
        kind=found.kind,
        status=Status(found.status),
        reason=found.reason,
        asked_by=found.asked_by,
        asked_at=found.created_at,
        finished_at=found.finished_at,
        answer=found.answer,
    )
