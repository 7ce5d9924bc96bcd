"""Asks whether an alarm of an environment has gone off: a URL, a command on each host, an alarm of CloudWatch."""

import time
from collections.abc import Callable, Sequence
from shlex import quote
from typing import Any

from django.db import connection

from pipelines.deploys.alarms import HOSTS
from pipelines.deploys.models import Alarm, AlarmKind, Environment, InventoryKind
from pipelines.errors import LostRace, PipelineError, told
from pipelines.states.leases import DATABASE_AWAY
from runners.clouds import cloudwatch
from runners.hosts import outside
from runners.hosts.health import HealthCheck, ask_command
from runners.hosts.lane import Lane
from runners.hosts.ssh.connection import CommandCancelled
from runners.hosts.ssh.fleet import on_all

HOSTS_AT_ONCE = 20
HOSTS_NAMED = 5
# One lost packet is no outage: a URL that does not answer well is asked once more.
TRIES = 2
PAUSE_SECONDS = 1.0

Watcher = Callable[[Alarm, Sequence[Lane]], str | None]


def breached(alarm: Alarm, lanes: Sequence[Lane]) -> str | None:
    """Why it has gone off, in words; None while it is quiet. Asks within a minute or two.

    What cannot be asked has gone off as well: nobody knows that all is well. A wish to stop is no answer at all.
    """
    try:
        return _WATCHERS[AlarmKind(alarm.kind)](alarm, lanes)
    except (LostRace, *DATABASE_AWAY):
        raise
    except CommandCancelled:
        return None
    except (PipelineError, KeyError, ValueError) as error:
        return f"it could not be asked: {told(error)}"


def _url(alarm: Alarm, lanes: Sequence[Lane]) -> str | None:
    url = str(alarm.settings["url"])
    if alarm.settings.get("on") == HOSTS:
        return _on_hosts(lanes, lambda lane: lane.do(_asked_there(url), url))
    said = ""
    for attempt in range(TRIES):
        time.sleep(PAUSE_SECONDS if attempt else 0)
        answer = outside.ask(url)
        if answer.good:
            return None
        said = answer.text
    return f"{url} was asked {TRIES} times; the last answer: {said}"


def _command(alarm: Alarm, lanes: Sequence[Lane]) -> str | None:
    command = str(alarm.settings["command"])
    return _on_hosts(lanes, lambda lane: lane.do(_at_current(lane, command), command, in_shell=False))


def _at_current(lane: Lane, command: str) -> str:
    return f"cd {quote(lane.plan.layout.current)}\n{command}"


def _cloudwatch(alarm: Alarm, lanes: Sequence[Lane]) -> str | None:
    settings = alarm.settings
    found = cloudwatch.state_of(
        str(settings["alarm"]), str(settings["region"]), _secret(alarm.environment), settings.get("endpoint_url")
    )
    return f"CloudWatch's alarm {settings['alarm']} is in state ALARM: {found.reason}" if found.is_alarm else None


def _secret(environment: Environment) -> str:
    """The environment's own AWS credentials, if it has some; else the machine's rights."""
    return environment.inventory_secret if environment.inventory_kind == InventoryKind.AWS else ""


def _asked_there(url: str) -> str:
    """Twice at most, as from here."""
    question = ask_command(HealthCheck(url=url))
    return f"( {question}\n) || {{ sleep {PAUSE_SECONDS:g}; ( {question}\n) }}"


def _on_hosts(lanes: Sequence[Lane], ask: Callable[[Lane], Any]) -> str | None:
    def in_thread(lane: Lane) -> Any:
        try:
            return ask(lane)
        finally:
            connection.close()

    bad = []
    for lane, answer in zip(lanes, on_all(lanes, in_thread, HOSTS_AT_ONCE), strict=True):
        if isinstance(answer, (LostRace, CommandCancelled, *DATABASE_AWAY)):
            raise answer
        if isinstance(answer, Exception):
            bad.append(f"{lane.row.host.name}: {told(answer)}")
    more = [f"and {len(bad) - HOSTS_NAMED} hosts more"] if len(bad) > HOSTS_NAMED else []
    return "; ".join([*bad[:HOSTS_NAMED], *more]) or None


_WATCHERS: dict[AlarmKind, Watcher] = {
    AlarmKind.URL: _url,
    AlarmKind.COMMAND: _command,
    AlarmKind.CLOUDWATCH: _cloudwatch,
}
