"""Follow a step to its end, whoever began it, across broken connections, into the host's log."""

from collections.abc import Callable
from typing import TypeVar

from pipelines.errors import SystemFault, UserError
from runners.hosts.hostlog import HOST_LOG_BYTES_MAX, HostLog
from runners.hosts.plan import Plan
from runners.hosts.ssh.connection import Connection, ConnectionLost
from runners.hosts.steps import Step, run_step

Answer = TypeVar("Answer")

# How often what is done on a host is taken up again when the connection under it breaks.
RECONNECTIONS = 3


class OutcomeUnknown(SystemFault):
    """A command may run on, or have ended, on a host that cannot be asked any more."""


def perform(
    plan: Plan, connect: Callable[[], Connection], log: HostLog, step: Step, on_begun: Callable[[str], None]
) -> int:
    """Returns the step's exit status; raises as `run_step`. `on_begun` is called once."""
    begun: list[str] = []

    def begin(said: str) -> None:
        if not begun:
            begun.append(said)
            on_begun(said)

    with log.recording() as recorder:

        def cancelled() -> bool:
            recorder.feed(b"")  # several times a second: what waits in the recorder is then shown
            return plan.cancelled()

        for attempt in range(RECONNECTIONS + 1):
            try:
                return run_step(
                    _again(connect, step) if attempt else connect(),
                    plan.layout,
                    plan.claim,
                    step,
                    known=recorder.raw_fed,
                    on_begun=begin,
                    on_output=recorder.feed,
                    cancelled=cancelled,
                    limit_bytes=HOST_LOG_BYTES_MAX + 1,
                )
            except ConnectionLost:
                if attempt == RECONNECTIONS or plan.abandoned.is_set():
                    raise
    raise AssertionError("a step is performed at least once")


def persist(plan: Plan, act: Callable[[], Answer]) -> Answer:
    """Do what may be done again, over a new connection each time that the one under it breaks."""
    for _ in range(RECONNECTIONS):
        try:
            return act()
        except ConnectionLost:
            if plan.abandoned.is_set():
                raise
    return act()


def _again(connect: Callable[[], Connection], step: Step) -> Connection:
    """After a connection that broke: why there is no other is no reason to take the host for untouched."""
    try:
        return connect()
    except UserError as error:
        raise OutcomeUnknown(
            f"{step.name} had begun when the connection broke, and the host cannot be asked how it ended: {error} Look"
            " there whether it still runs and what it did before you deploy again."
        ) from error
