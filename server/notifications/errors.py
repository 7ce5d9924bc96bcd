"""Why a message did not arrive, by what can be done about it."""

from pipelines.errors import PipelineError


class NotifyError(PipelineError):
    """A message was not taken by the service that it was sent to."""


class Refused(NotifyError):
    """The service said no, and will say it again: somebody must mend the project's settings."""


class Unreachable(NotifyError):
    """The service did not answer, or asked to come back later: sending again may help.

    `after_seconds` is how long it wants to be left alone, 0 when it does not say.
    """

    def __init__(self, why: str, after_seconds: float = 0) -> None:
        super().__init__(why)
        self.after_seconds = after_seconds
