"""After each wave but the last: its hosts have to stay well for a while, and no worse than the others."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from django.utils import timezone

from pipelines.deploys import lifecycle, requests
from pipelines.deploys.models import Deploy, DeployKind, Waits
from pipelines.deploys.strategies import is_worse, question_seconds
from pipelines.errors import told
from pipelines.spec.installation import CompareSpec, StrategySpec
from runners.hosts.convoy import Convoy, Stops
from runners.hosts.deploylog import DeployLog
from runners.hosts.lane import Lane
from runners.hosts.resting import rest
from runners.masking import masked

ASKED_AGAIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Bake:
    """The bakes of one deploy. What goes bad in one is left in the convoy as its complaint."""

    deploy: Deploy
    convoy: Convoy
    stops: Stops
    log: DeployLog

    def after(self, wave: int) -> None:
        """Return once that wave has baked or the deploy is over. Raises SetAside when it is to be claimed again later.

        A way back and a repair bring what is known: they do not wait.
        """
        baking = self._strategy.bake_seconds or self._strategy.compare
        if not baking or wave < self.deploy.baked_waves or self.deploy.kind != DeployKind.DEPLOY:
            return
        began_at = self._came_over_at(wave)
        if began_at is not None:
            self._sit(wave, began_at)

    def complaint(self) -> str:
        """What is wrong with the hosts so far; empty while they are well and no worse than the others."""
        said = health_complaints(self.convoy, self.log.needles)
        return "; ".join(said) or self._comparison()

    @property
    def _strategy(self) -> StrategySpec:
        return requests.strategy(self.deploy)

    def _came_over_at(self, wave: int) -> datetime | None:
        ends = [lane.row.finished_at for lane in self.convoy.over if lane.row.wave == wave]
        return max((at for at in ends if at is not None), default=None)

    def _sit(self, wave: int, began_at: datetime) -> None:
        if self.deploy.baked_waves < wave:  # those before had no host that came over: a person's yes is to this one
            lifecycle.note_baked(self.deploy, wave)
        total = self._strategy.bake_seconds
        every, ends_at = timedelta(seconds=question_seconds(total)), began_at + timedelta(seconds=total)
        asks_at = min(began_at + every, ends_at)
        reason = f"wave {wave + 1} bakes until {ends_at:%H:%M:%S} UTC"
        if timezone.now() < asks_at and not self.convoy.is_over:
            self.log.say(reason)
            self.convoy.hold(total)
        while not self.convoy.is_over:
            rest(self.deploy, Waits.BAKE, reason, asks_at, total, self.stops)
            if not self.convoy.is_over:
                self.convoy.complaint = self._told(wave, self.complaint())
            now = timezone.now()
            if now >= ends_at and not self.convoy.is_over:
                self.log.say(f"wave {wave + 1} has baked")
                lifecycle.note_baked(self.deploy, wave + 1)
                return
            asks_at = min(now + every, ends_at)

    def _told(self, wave: int, complaint: str) -> str:
        if not complaint:
            return ""
        self.log.say(complaint)
        return f"wave {wave + 1} went bad while it baked: {complaint}"

    def _comparison(self) -> str:
        """Why the new hosts are worse than those that are still on the old release; nothing to compare is no reason."""
        compare = self._strategy.compare
        others = [lane for lane in self.convoy.lanes if lane.is_open]
        if compare is None or not others or self.deploy.replaces_id is None:
            return ""
        new, old = self._numbers(self.convoy.over, compare), self._numbers(others, compare)
        if not new or not old:
            return f"{compare.command}: the {'other' if new else 'new'} hosts print no number to compare"
        return _compared(compare, new, old)

    def _numbers(self, lanes: Sequence[Lane], compare: CompareSpec) -> list[float]:
        answers = self.convoy.ask(lanes, lambda lane: lane.measure(compare.command))
        for lane, answer in zip(lanes, answers, strict=True):
            if isinstance(answer, Exception):
                self.log.say(f"{lane.row.host.name}: {told(answer)}")
        return [answer for answer in answers if not isinstance(answer, Exception)]


def health_complaints(convoy: Convoy, needles: frozenset[bytes]) -> list[str]:
    """Ask each host that is over, write down what it says, and return what is wrong; nothing once it is cancelled.

    One lost packet is no outage: who does not answer well is asked once more.
    """
    answers = dict(zip(convoy.over, convoy.ask(convoy.over, Lane.check_health), strict=True))
    bad = [lane for lane, answer in answers.items() if isinstance(answer, Exception)]
    if bad and not convoy.is_over:
        time.sleep(ASKED_AGAIN_SECONDS)
        answers |= zip(bad, convoy.ask(bad, Lane.check_health), strict=True)
    if convoy.is_over:
        return []
    said = []
    for lane, answer in answers.items():
        why = masked(told(answer), needles) if isinstance(answer, Exception) else ""
        lifecycle.note_health(lane.row, why)
        said += [f"{lane.row.host.name}: {why}"] if why else []
    return said


def _compared(compare: CompareSpec, new: Sequence[float], old: Sequence[float]) -> str:
    if not is_worse(new, old, compare.tolerance):
        return ""
    return (
        f"{compare.command}: the new hosts are at {median(new):g}, the others at {median(old):g};"
        f" {compare.tolerance:g} times as much is allowed"
    )
