"""How a deploy, and a deploy on one host, may move."""

from pipelines.states.machine import machine
from pipelines.states.status import Status as S

_ENDS = {S.SUCCEEDED, S.FAILED, S.ERRORED, S.CANCELLED}

DEPLOY = machine(
    "deploy",
    {
        S.PENDING: {S.QUEUED, S.BLOCKED, S.CANCELLED},
        S.BLOCKED: {S.QUEUED, S.FAILED, S.CANCELLED},
        S.QUEUED: {S.RUNNING, S.BLOCKED, S.ERRORED, S.CANCELLED},
        S.RUNNING: _ENDS | {S.BLOCKED},
    },
)
HOST_DEPLOY = machine(
    "host deploy",
    {S.PENDING: {S.RUNNING, S.SKIPPED, S.CANCELLED}, S.RUNNING: _ENDS},
)
