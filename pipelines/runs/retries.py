"""Pure: whether an attempt that ended badly is followed by another, and when."""

from pipelines.spec.model import RetrySpec
from pipelines.states.status import Status

# What broke of ours may be back in a moment or in minutes; what the stage itself said is as good as it gets at once.
BACK_OFF_SECONDS = (5.0, 30.0, 120.0)


def pause_seconds(retry: RetrySpec, made: int, status: str, exit_code: int | None) -> float | None:
    """Seconds until the next attempt after `made` of them, the last of which ended so; None: there is none.

    Only what broke or failed is tried again, and never what a person stopped.
    """
    if made > retry.times:
        return None
    if status == Status.ERRORED and "infrastructure" in retry.on:
        return BACK_OFF_SECONDS[min(made, len(BACK_OFF_SECONDS)) - 1]
    if status == Status.FAILED and exit_code is not None and _is_named(retry, exit_code):
        return 0.0
    return None


def _is_named(retry: RetrySpec, exit_code: int) -> bool:
    return "any" in retry.on or exit_code in retry.exit_codes
