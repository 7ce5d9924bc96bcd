"""What a message of the outbox is about, as rules name it."""

from pipelines.deploys import announcements
from pipelines.deploys.models import Waits
from pipelines.notifications.models import Topic
from pipelines.outbox.models import Message
from pipelines.states.status import Status

_PLAIN: dict[str, tuple[Topic, ...]] = {
    announcements.BEGUN: (Topic.DEPLOY_BEGUN,),
    announcements.OVERRIDDEN: (Topic.OVERRULED,),
    announcements.OVERRULED: (Topic.OVERRULED,),
    announcements.INSPECTED: (Topic.DRIFT,),
    announcements.ALARM: (Topic.ALARM,),
    Topic.RUN_FAILED: (Topic.RUN_FAILED,),
    Topic.RUN_SUCCEEDED: (Topic.RUN_SUCCEEDED,),
    Topic.RUN_ASKS: (Topic.RUN_ASKS,),
    Topic.DIGEST: (Topic.DIGEST,),
}
_ASKS: dict[str, tuple[Topic, ...]] = {
    # One that stopped half way has failed as far as it has come.
    f"{announcements.ASKED}{Waits.BREACH}": (Topic.DEPLOY_FAILED, Topic.DEPLOY_ASKS),
}


def topics(message: Message) -> tuple[Topic, ...]:
    """The first is what it is called by; none for what no rule names."""
    told = message.transition
    if message.topic == announcements.ENDED and told is not None:
        return (Topic.DEPLOY_SUCCEEDED,) if told.to_status == Status.SUCCEEDED else (Topic.DEPLOY_FAILED,)
    if message.topic.startswith(announcements.ASKED):
        return _ASKS.get(message.topic, (Topic.DEPLOY_ASKS,))
    return _PLAIN.get(message.topic, ())
