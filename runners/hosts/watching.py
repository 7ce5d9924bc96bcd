"""After the last host is over: its environment's alarms are watched for a while, and a breach has consequences."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from pipelines.deploys import lifecycle, reactions
from pipelines.deploys.models import Alarm, AlarmAction, Deploy, DeployKind, Waits
from pipelines.deploys.strategies import question_seconds
from pipelines.states.status import Status
from runners.hosts.alarms import breached
from runners.hosts.convoy import Convoy, Stops
from runners.hosts.deploylog import DeployLog
from runners.hosts.resting import rest
from runners.hosts.verdicts import Verdict
from runners.masking import masked


@dataclass(frozen=True, slots=True)
class Watch:
    """The watch of one deploy. While it lasts the release before it is still the one to go back to."""

    deploy: Deploy
    convoy: Convoy
    stops: Stops
    log: DeployLog

    def over(self, verdict: Verdict) -> Verdict:
        """That verdict, or a worse one, once the watch is over. Raises SetAside when it is to be claimed again later.

        Only what brings something new is watched.
        """
        seconds = self.deploy.environment.watch_seconds
        if self.deploy.kind != DeployKind.DEPLOY or not seconds or not self._alarms:
            return verdict
        looks_at = timezone.now() if self.deploy.watched_until else self._next_look(seconds)
        until = lifecycle.note_watching(self.deploy, seconds)
        if self.deploy.started_at and until <= self.deploy.started_at:  # a person takes the rest of it as good
            return verdict
        return self._look_until(until, min(looks_at, until), seconds) or verdict

    @property
    def _alarms(self) -> list[Alarm]:
        return list(self.deploy.environment.alarms.order_by("name"))

    def _next_look(self, seconds: float) -> datetime:
        return timezone.now() + timedelta(seconds=question_seconds(seconds))

    def _look_until(self, until: datetime, looks_at: datetime, seconds: float) -> Verdict | None:
        reason = f"every host is over; its alarms are watched until {until:%H:%M:%S} UTC"
        if timezone.now() < looks_at:
            self.log.say(reason)
            self.convoy.hold(seconds)
        while True:
            rest(self.deploy, Waits.WATCH, reason, looks_at, seconds, self.stops)
            gone_off = self._look()
            self.stops.refuse_abandoned()
            if gone_off is None and self.stops.cancelled.is_set():
                return Verdict(Status.CANCELLED, "cancelled while its alarms were watched; every host is over")
            if gone_off or timezone.now() >= until:
                return gone_off
            looks_at = min(self._next_look(seconds), until)

    def _look(self) -> Verdict | None:
        """Ask each alarm, until we are to stop; the verdict that follows, if one does."""
        for alarm in self._alarms:
            if self.stops.is_set:
                return None
            why = breached(alarm, self.convoy.over)
            if why is None:
                continue
            told = masked(why, self.log.needles)
            self.log.say(f"alarm {alarm.name} has gone off: {told}")
            reactions.react(self.deploy, alarm, told)
            if alarm.action == AlarmAction.UNDO:
                return Verdict(Status.FAILED, f"alarm {alarm.name} went off: {alarm.cause}: {told}")
        return None
