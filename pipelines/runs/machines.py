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
        # At once to its end: a rerun takes it over from the run before.
        S.PENDING: {S.QUEUED, S.BLOCKED, S.SUCCEEDED, S.SKIPPED, S.CANCELLED},
        S.BLOCKED: {S.QUEUED, S.SKIPPED, S.CANCELLED},
        S.QUEUED: {S.RUNNING, S.ERRORED, S.CANCELLED},
        S.RUNNING: {*_ENDS, S.QUEUED},  # back in the queue: it is tried again
    },
)
ATTEMPT = machine("attempt", {S.RUNNING: _ENDS})
