"""What follows when an alarm goes off after a deploy: its people are told, once, and its environment may be locked."""

from django.db import transaction

from pipelines.audit.models import Act
from pipelines.audit.record import record
from pipelines.deploys import alarms, locks, settling
from pipelines.deploys.fences import hold
from pipelines.deploys.models import Alarm, AlarmAction, Deploy

_VERB = "saw an alarm go off"


def react(deploy: Deploy, alarm: Alarm, found: str) -> None:
    """Note it, tell whom the alarm names, and take its lock. Once for each alarm of a deploy, however long it rings.

    To undo the deploy is its own verdict. Raises LostLease after a takeover.
    The environment's row is written first, as claims do: in different orders two could wait for each other for ever.
    """
    with transaction.atomic():
        settling.hold(deploy.environment_id)
        hold(deploy)
        if Act.objects.filter(verb=_VERB, subject=str(deploy)[:150], facts__alarm=alarm.pk).exists():
            return
        record("", _VERB, str(deploy), reason=found, alarm=alarm.pk, name=alarm.name, action=alarm.action)
        alarms.tell(deploy, alarm, found)
        if alarm.action == AlarmAction.LOCK:
            locks.take(deploy.environment, None, "", f"alarm {alarm.name} went off: {alarm.cause}: {found}")
