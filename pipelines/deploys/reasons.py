"""Acts that others will ask about: they need a reason, and whoever is overruled hears of it."""

from collections.abc import Iterable

from pipelines.audit.actors import number_of
from pipelines.deploys import announcements
from pipelines.deploys.models import Environment
from pipelines.errors import UserError


class NoReason(UserError):
    """An act that everybody else will ask about needs a reason."""


def need(reason: str, words: str) -> None:
    """Raises NoReason, with these words, for an act without a reason."""
    if not reason.strip():
        raise NoReason(words)


def overrule(places: Iterable[Environment], holder: str, because: str, actor: str, did: str, why: str) -> None:
    """An actor ends what keeps deploys away from these places: of somebody else's with a reason, of which people hear.

    In the caller's transaction; `holder` took it, empty: Slipway itself, and said `because`. Raises NoReason.
    """
    own = number_of(actor)
    if own is not None and own == number_of(holder):
        return
    need(why, f"{holder or 'everybody'} will ask why: give a reason")
    facts = {"actor": actor, "did": did, "because": because, "why": why.strip()}
    told = set[int]()
    for place in places:
        announcements.notify(place, announcements.OVERRULED, facts, chat=place.project_id not in told)
        told.add(place.project_id)
