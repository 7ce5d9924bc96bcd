"""What waits, and why."""

from datetime import datetime

from ninja import Schema

from pipelines.states.status import Status
from server.api.shapes.words import page
from server.reads.queue import Waiting


class WaitingShape(Schema):
    """A run, stage or deploy: `why` it waits, and what it `wants` of people, if anything."""

    status: Status
    project: str
    name: str
    title: str
    why: str
    wants: str
    since: datetime | None
    url: str


def waiting(one: Waiting) -> WaitingShape:
    return WaitingShape(
        status=Status(one.status),
        project=one.project.name,
        name=one.name,
        title=one.title,
        why=one.why,
        wants=one.wants if one.status == Status.BLOCKED else "",
        since=one.since,
        url=page(one.url),
    )
