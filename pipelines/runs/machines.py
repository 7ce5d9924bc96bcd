"""How a run, a stage and an attempt may move."""

from pipelines.states.machine import machine
from pipelines.states.status import Status as S

_ENDS = {S.SUCCEEDED, S.FAILED, S.ERRORED, S.CANCELLED}

RUN = machine(
    "run",
    {
        S.BLOCKED: {S.QUEUED, S.CANCELLED},
        S.QUEUED: {S.RUNNING, S.FAILED, S.ERRORED, S.CANCELLED},
        S.RUNNING: _ENDS,
    },
)
STAGE = machine(
    "stage",
    {
        S.PENDING: {S.QUEUED, S.BLOCKED, S.SKIPPED, S.CANCELLED},
        S.BLOCKED: {S.QUEUED, S.SKIPPED, S.CANCELLED},
        S.QUEUED: {S.RUNNING, S.ERRORED, S.CANCELLED},
        S.RUNNING: _ENDS,
    },
)
ATTEMPT = machine("attempt", {S.RUNNING: _ENDS})
