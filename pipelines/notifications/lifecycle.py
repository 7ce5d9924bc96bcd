"""Write down who hears of what, and take it away; each change is an act of the audit, without the address."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time
from typing import Any

from django.db import transaction

from pipelines.audit.record import record
from pipelines.errors import UserError
from pipelines.notifications.addresses import read
from pipelines.notifications.models import Kind, Recipient, Rule, Topic, new_signing_secret
from pipelines.outbox import queue as outbox
from pipelines.outbox.models import Channel, Message
from pipelines.projects.models import Project
from pipelines.spec.cron import zone_named

MAX_RECIPIENTS = 50  # of a project
MAX_RULES = 100
MAX_GLOBS = 20
TEST = "test"  # the topic of a message that somebody sends to see whether it arrives
CHANNELS = {
    Kind.SLACK: Channel.CHAT,
    Kind.MAIL: Channel.MAIL,
    Kind.WEBHOOK: Channel.WEBHOOK,
    Kind.APPRISE: Channel.APPRISE,
}


class BadRule(UserError):
    """It cannot be written down so."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a rule is to say, as it was typed: globs and names separated by spaces or commas, the time as HH:MM."""

    topics: Sequence[str]
    refs: str = ""
    environments: str = ""
    only_changes: bool = True
    digest_at: str = ""
    time_zone: str = ""


@transaction.atomic
def add_recipient(project: Project, kind: str, address: str, label: str, actor: str) -> Recipient:
    """Raises BadRule and BadAddress. The same channel or addresses are not written down twice."""
    if kind not in Kind.values:
        raise BadRule("say how the recipient is reached")
    found = read(Kind(kind), address)
    others = Recipient.objects.filter(project=project)
    if others.count() >= MAX_RECIPIENTS:
        raise BadRule(f"{project} has {MAX_RECIPIENTS} recipients already: remove one first")
    if any(one.address == found.text for one in others.filter(kind=kind)):
        raise BadRule(f"{found.shown} is there already")
    made = Recipient.objects.create(
        project=project,
        kind=kind,
        label=" ".join(label.split())[:60],
        shown=found.shown,
        address=found.text,
        signing_secret=new_signing_secret() if kind == Kind.WEBHOOK else "",
        made_by=actor[:150],
    )
    record(actor, "added", f"recipient {made}", kind=kind)
    return made


@transaction.atomic
def remove_recipient(recipient: Recipient, actor: str) -> None:
    """Its rules and its list of deliveries go with it; what waits to be sent to it is given up."""
    name = f"recipient {recipient}"
    recipient.delete()
    record(actor, "removed", name)


@transaction.atomic
def renew_secret(recipient: Recipient, actor: str) -> None:
    """Deliveries are signed with a new secret from now on."""
    if recipient.kind != Kind.WEBHOOK:
        raise BadRule("only what goes to a webhook is signed")
    recipient.signing_secret = new_signing_secret()
    recipient.save(update_fields=["signing_secret"])
    record(actor, "renewed", f"secret of recipient {recipient}")


@transaction.atomic
def add_rule(recipient: Recipient, wish: Wish, actor: str) -> Rule:
    """Raises BadRule and BadTimeZone."""
    if Rule.objects.filter(project=recipient.project_id).count() >= MAX_RULES:
        raise BadRule(f"{recipient.project} has {MAX_RULES} rules already: remove one first")
    rule = Rule(project=recipient.project, recipient=recipient, made_by=actor[:150])
    _write(rule, wish)
    rule.save(force_insert=True)
    record(actor, "added", f"rule for {recipient}", **_facts(rule))
    return rule


@transaction.atomic
def change_rule(rule: Rule, recipient: Recipient, wish: Wish, actor: str) -> None:
    """Raises BadRule and BadTimeZone. It holds for what happens from now on."""
    rule.recipient = recipient
    _write(rule, wish)
    rule.save(force_update=True)
    record(actor, "changed", f"rule for {recipient}", **_facts(rule))


@transaction.atomic
def remove_rule(rule: Rule, actor: str) -> None:
    facts, name = _facts(rule), f"rule for {rule.recipient}"
    rule.delete()
    record(actor, "removed", name, **facts)


@transaction.atomic
def send_test(recipient: Recipient, actor: str) -> None:
    """Put a message into the outbox that says nothing but that it arrives."""
    outbox.tell_one(TEST, "project", recipient.project_id, {"by": actor}, CHANNELS[Kind(recipient.kind)], recipient.pk)
    record(actor, "tested", f"recipient {recipient}")


@transaction.atomic
def send_again(recipient: Recipient, message: Message, actor: str) -> bool:
    """Send once more, under the same id and with the same body; False while it waits to be sent anyway."""
    again = outbox.again(message)
    if again:
        record(actor, "sent again", f"message {message.pk} to recipient {recipient}")
    return again


def _write(rule: Rule, wish: Wish) -> None:
    topics = [topic for topic in Topic.values if topic in wish.topics]
    if not topics:
        raise BadRule("say what is to be heard of")
    if Topic.DIGEST in topics and len(topics) > 1:
        raise BadRule("a digest is a rule of its own")
    rule.topics = topics
    rule.refs, rule.environments = _words(wish.refs), _words(wish.environments)
    rule.only_changes = wish.only_changes
    rule.digest_at = _time(wish.digest_at) if rule.is_digest else None
    rule.time_zone = zone_named(wish.time_zone or "UTC").key
    digests = Rule.objects.filter(recipient=rule.recipient).exclude(digest_at=None).exclude(pk=rule.pk)
    if rule.is_digest and digests.exists():
        raise BadRule(f"{rule.recipient.name} has a digest already: change that rule")


def _words(text: str) -> list[str]:
    words = text.replace(",", " ").split()
    if len(words) > MAX_GLOBS or any(len(word) > 255 for word in words):
        raise BadRule(f"at most {MAX_GLOBS} names, of at most 255 characters")
    return words


def _time(text: str) -> time:
    try:
        return time.fromisoformat(text.strip()).replace(second=0, microsecond=0, tzinfo=None)
    except ValueError as error:
        raise BadRule("a digest needs the time at which it comes: 09:00") from error


def _facts(rule: Rule) -> dict[str, Any]:
    facts: dict[str, Any] = {"topics": rule.topics, "refs": rule.refs, "environments": rule.environments}
    at = f"{rule.digest_at:%H:%M} {rule.time_zone}" if rule.digest_at else ""
    return {**facts, "only_changes": rule.only_changes, "digest_at": at}
