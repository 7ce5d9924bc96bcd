"""An event once more: what came of it is run again, or a run is made of what had made none."""

from pipelines.errors import UserError
from pipelines.runs import receiving, reruns
from pipelines.runs.models import Event, EventKind, Run


class NothingToReplay(UserError):
    """The event names no commit of a branch or tag, so that no run can come of it."""


def replay(event: Event, actor: str) -> Run:
    """A new run at the event's commit; while one that was asked for so is under way, that one.

    Raises NothingToReplay, and NothingToRerun while its run has not ended.
    """
    if event.run is not None:
        return reruns.rerun(event.run, actor)
    if why := why_not(event):
        raise NothingToReplay(why)
    made = _run_of(event, actor)
    return reruns.rerun(made, actor) if made.is_final else made


def why_not(event: Event) -> str:
    """Why nothing can come of a replay, in words; empty when something can. A run that has not ended is no reason."""
    if event.run is not None:
        return ""
    if event.fork:
        return "it came from a fork and was let in by nobody"
    if not event.ref.startswith(("refs/heads/", "refs/tags/")) or not event.sha.strip("0"):
        return "it names no commit of a branch or tag"
    return ""


def _run_of(event: Event, actor: str) -> Run:
    """Of two clicks at the same moment both get the one run."""
    once, why = f"replay {event.pk}", f"event {event.pk} replayed by {actor}"
    started = receiving.start(event.project, EventKind.MANUAL, event.ref, {}, actor, why, sha=event.sha, once=once)
    assert started.run is not None, "what is asked for always starts a run"
    return started.run
