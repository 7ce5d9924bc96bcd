"""Why a message did not arrive, by what can be done about it."""

from pipelines.errors import PipelineError


class NotifyError(PipelineError):
    """A message was not taken by the service that it was sent to."""


class Refused(NotifyError):
    """The service said no, and will say it again: somebody must mend the project's settings."""


class Unreachable(NotifyError):
    """The service did not answer, or asked to come back later: sending again may help."""
