"""All lanes of a deploy: many are moved at a time, what goes wrong on one is written down there, and all are joined."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from django.db import connection

from pipelines.deploys import requests
from pipelines.deploys.strategies import Decision, decide
from pipelines.errors import LostRace, PipelineError
from pipelines.states.leases import DATABASE_AWAY
from pipelines.states.status import Status
from runners.hosts.lane import Lane
from runners.hosts.plan import Plan
from runners.hosts.scripts.leftovers import MigrationRuns
from runners.hosts.ssh.fleet import on_all

logger = logging.getLogger(__name__)

QUESTIONS_AT_ONCE = 20
RENEW_SECONDS = 60.0  # far below the time after which another server may take a silent host
Answer = TypeVar("Answer")


class Abandoned(LostRace):
    """This worker stops here; the deploy goes on in another one's hands."""


@dataclass(frozen=True, slots=True)
class Stops:
    """The two ways in which a deploy ends early: a person's wish, and this worker's end."""

    cancelled: threading.Event
    abandoned: threading.Event
    abandon: Callable[[], None]

    @property
    def is_set(self) -> bool:
        return self.cancelled.is_set() or self.abandoned.is_set()

    def refuse_abandoned(self) -> None:
        if self.abandoned.is_set():
            raise Abandoned("this worker gives the deploy away")


class Convoy:
    """The hosts of one deploy in the hands of one worker.

    `complaint` says why it is stopped whatever its budget; `gives_up`, that a host which was not to fail has.
    """

    def __init__(self, plan: Plan, lanes: Sequence[Lane], stops: Stops) -> None:
        self.lanes = lanes
        self.complaint = ""
        self.gives_up = False
        self._plan, self._stops = plan, stops
        self._goes_back = plan.deploy.undoes_id is not None

    @property
    def is_over(self) -> bool:
        """Cancelled, given away, or beyond the budget. The way back goes on: every host that it reaches is better."""
        if self._stops.is_set or self.complaint or self.gives_up:
            return True
        return not self._goes_back and self.is_beyond_budget

    @property
    def has_lost_too_many(self) -> bool:
        """Of the way back no host may be lost."""
        return self._goes_back or self.gives_up or self.is_beyond_budget

    @property
    def is_beyond_budget(self) -> bool:
        ended = [lane.row for lane in self.lanes if not lane.is_open]
        touched = [Status(row.status) for row in ended if not row.unreachable]
        return decide(touched, len(ended) - len(touched), requests.caution(self._plan.deploy)) is Decision.STOP

    @property
    def first_open(self) -> Lane | None:
        return next((lane for lane in self.lanes if lane.is_open), None)

    @property
    def over(self) -> list[Lane]:
        """The hosts that are on the release."""
        return [lane for lane in self.lanes if lane.row.status == Status.SUCCEEDED]

    @property
    def touched(self) -> list[Lane]:
        """The hosts that may be on the release, well or not."""
        return [lane for lane in self.lanes if lane.row.switched]

    def each(self, lanes: Sequence[Lane], verb: Callable[[Lane], None], at_once: int) -> None:
        """Join all, whatever happens on one of them; a host that has not begun when all is over is left alone."""
        with self._at_work():
            answers = on_all(lanes, partial(self._move, verb), at_once, self._stops.abandon, _leave)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer

    def hold(self, seconds: float) -> None:
        """The deploy waits for so long in its middle: no other server may take the hosts that it has changed."""
        self.ask(self.touched, lambda lane: lane.hold(int(seconds)))

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """The hosts hear of us once in a while, however long what happens on them is silent."""
        over = threading.Event()

        def renew() -> None:
            while not over.wait(RENEW_SECONDS):
                held = [lane for lane in self.lanes if lane.is_connected]
                on_all(held, Lane.hold, QUESTIONS_AT_ONCE, on_leave=_leave)

        threading.Thread(target=renew, daemon=True, name="hosts-held").start()
        try:
            yield
        finally:
            over.set()

    def ask(self, lanes: Sequence[Lane], question: Callable[[Lane], Answer]) -> list[Answer | Exception]:
        """Each host's answer, or what it raised; raises only what ends our own work."""
        answers = on_all(lanes, question, QUESTIONS_AT_ONCE, self._stops.abandon, _leave)
        for answer in answers:
            if isinstance(answer, (LostRace, *DATABASE_AWAY)):
                raise answer
        self._stops.refuse_abandoned()
        return answers

    def attempt(self, verb: Callable[[Lane], None], lane: Lane) -> None:
        """What goes wrong on a host is written down there; only what ends our own work is raised."""
        try:
            verb(lane)
        except (LostRace, *DATABASE_AWAY):
            raise
        except Exception as error:
            if self._stops.abandoned.is_set():
                raise Abandoned("this worker gives the deploy away") from error
            if not isinstance(error, PipelineError):
                logger.exception("%s broke", lane.row)
            self.gives_up = self.gives_up or isinstance(error, MigrationRuns)
            lane.fail(error)

    def _move(self, verb: Callable[[Lane], None], lane: Lane) -> None:
        if lane.is_open and not self.is_over:
            self.attempt(verb, lane)


def _leave() -> None:
    """Each thread has a connection to the database of its own."""
    connection.close()
