"""Asks code hosts for their refs: what no webhook has announced is found so.

The clock does it beside its other work, and no worker: a host that hangs keeps no plan waiting.
"""

import logging
import threading
from dataclasses import replace

from django.conf import settings

from pipelines.errors import LostRace, PipelineError, told
from pipelines.runs import polling
from pipelines.runs.models import Poll
from pipelines.states.leases import DATABASE_AWAY
from runners.planning import mirror_of

logger = logging.getLogger(__name__)

DEADLINE_SECONDS = 15.0  # the clock ends no later than that after it was told to


def poll_due(stop: threading.Event) -> None:
    """Ask, one after the other, every code host that it is time to ask. Any number of threads may do so at once."""
    while not stop.is_set() and (poll := polling.claim_next()) is not None:
        _ask(poll)


def _ask(poll: Poll) -> None:
    again_seconds = float(settings.SLIPWAY_POLL_SECONDS)
    try:
        refs = replace(mirror_of(poll.project), timeout_seconds=DEADLINE_SECONDS).refs()
        polling.answered(poll, refs, again_seconds)
    except LostRace as late:
        logger.warning("what was heard is not used: %s", late)
    except DATABASE_AWAY:
        raise
    except PipelineError as error:
        logger.warning("%s could not be asked for its refs and will be asked again: %s", poll.project, error)
        polling.unanswered(poll, told(error), again_seconds)
    except Exception as error:
        logger.exception("asking %s for its refs broke", poll.project)
        polling.unanswered(poll, told(error), again_seconds)
