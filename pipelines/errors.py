"""What can go wrong, by who can mend it."""


class PipelineError(Exception):
    """Anything Slipway itself raises on purpose; the text is written for the person who reads it."""


class UserError(PipelineError):
    """The person's file, code, host or request said no: the work ends *failed* and they can mend it."""


class SystemFault(PipelineError):
    """Our machinery broke, or an outcome could not be learnt: the work ends *errored*, never succeeded."""


class LostRace(PipelineError):
    """Somebody else moved the row first; step back and do nothing more with it."""


def told(error: Exception) -> str:
    """An error as a person reads it: our own speak for themselves, others get their kind as well."""
    return str(error) if isinstance(error, PipelineError) else f"{type(error).__name__}: {error}"
