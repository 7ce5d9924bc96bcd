"""Who hears of what becomes of a deploy, and of what is found on hosts: decided here, worded elsewhere."""

from collections.abc import Sequence
from typing import Any

from pipelines.deploys.models import Deploy, DeployKind, Environment, Waits
from pipelines.notifications.queries import has_rules
from pipelines.outbox import queue as outbox
from pipelines.outbox.models import Channel, Message
from pipelines.projects.models import Project
from pipelines.states.models import Transition
from pipelines.states.signals import recorded
from pipelines.states.status import Status

BEGUN = "begun"
ENDED = "ended"
OVERRIDDEN = "overridden"
ASKED = "asked:"  # and what it waits for
INSPECTED = "inspected"
ALARM = "alarm"
OVERRULED = "overruled"

# A deploy that waits for one of these goes on only when a person has done something.
ASKING = frozenset({Waits.MIGRATION, Waits.APPROVAL, Waits.HOSTS, Waits.BREACH})


def listen() -> None:
    """Whichever verb moves a deploy, what tells of it is written in the same transaction."""
    recorded.connect(_on_recorded, sender=Deploy, dispatch_uid="pipelines.deploys.announcements")


def announce(deploy: Deploy, told: Transition) -> None:
    """Put what is to be said of this transition into the outbox; most are said to nobody but the code host."""
    if hears_of_deployments(deploy.environment.project) and deploy.kind != DeployKind.REPAIR:
        outbox.put(told, Channel.DEPLOYMENT)
    topic = _topic(deploy, told)
    if topic and not (topic.startswith(ASKED) and _was_asked(topic, told)):
        for channel in channels(deploy.environment):
            outbox.put(told, channel, topic)
    elif not topic and _has_begun(told) and has_rules(deploy.environment.project_id):
        outbox.put(told, Channel.RULES, BEGUN)


def asks(deploy: Deploy) -> None:
    """A deploy that was blocked already has come to wait for a person: tell it by its last transition, once."""
    rows = Transition.objects.filter(subject_kind=Deploy.machine.name, subject_id=deploy.pk)
    told = rows.order_by("pk").last()
    if told is None or deploy.waits_for not in ASKING:
        return
    if Message.objects.filter(transition=told).exclude(topic="").exists():
        return
    for channel in channels(deploy.environment):
        outbox.put(told, channel, f"{ASKED}{deploy.waits_for}")


def notify(
    environment: Environment, topic: str, facts: dict[str, Any], *, chat: bool = True, to: Sequence[str] | None = None
) -> None:
    """Tell what is no transition, in the caller's transaction; by mail to `to`, or to the environment's own people."""
    to = addresses(environment.mail_to) if to is None else to
    heard = [Channel.CHAT] if chat and environment.project.chat_channel else []
    heard += [Channel.MAIL] if to else []
    heard += [Channel.RULES] if has_rules(environment.project_id) else []
    if heard:
        outbox.notify(topic, "environment", environment.pk, {**facts, "mail_to": list(to)}, heard)


def channels(environment: Environment) -> list[Channel]:
    """Where people hear of this environment; whom the project's rules name is found out when it is told."""
    heard = [Channel.CHAT] if environment.project.chat_channel else []
    heard += [Channel.MAIL] if addresses(environment.mail_to) else []
    return [*heard, Channel.RULES] if has_rules(environment.project_id) else heard


def addresses(written: str) -> list[str]:
    """The mail addresses in a list that is separated by commas or lines."""
    return [word.strip() for word in written.replace("\n", ",").replace(";", ",").split(",") if "@" in word]


def hears_of_deployments(project: Project) -> bool:
    """Whether its code host can be told: without a token it takes nothing from us."""
    return bool(project.code_host_name and project.code_host_token)


def _on_recorded(transition: Transition, subject: Deploy, **_: Any) -> None:
    announce(subject, transition)


def _topic(deploy: Deploy, told: Transition) -> str:
    """What of it concerns people; empty for what they need not be called for."""
    if not told.from_status:
        return OVERRIDDEN if deploy.override else ""
    if told.to_status == Status.BLOCKED:
        return f"{ASKED}{deploy.waits_for}" if deploy.waits_for in ASKING else ""
    if told.to_status == Status.CANCELLED:
        return ENDED if deploy.started_at is not None else ""
    return ENDED if deploy.is_final else ""


def _has_begun(told: Transition) -> bool:
    """A deploy that waited half way and runs again has begun before."""
    if told.to_status != Status.RUNNING:
        return False
    rows = Transition.objects.filter(subject_kind=told.subject_kind, subject_id=told.subject_id, pk__lt=told.pk)
    return not rows.filter(to_status=Status.RUNNING).exists()


def _was_asked(topic: str, told: Transition) -> bool:
    """Between two looks at the queue a deploy may be let go and held again for the same reason: that is no news."""
    before = Message.objects.filter(
        topic=topic,
        transition__subject_kind=told.subject_kind,
        transition__subject_id=told.subject_id,
        transition__reason=told.reason,
    )
    return before.exists()
