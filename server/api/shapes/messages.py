"""Who hears of what, and what came of telling them."""

from datetime import datetime
from typing import Literal

from ninja import Field, Schema

from pipelines.notifications.models import Delivery, Recipient, Rule, Topic
from server.api.shapes.words import page
from server.reads.sendings import Row
from server.rulewords import sentence

Reached = Literal["slack", "mail", "webhook", "apprise"]


class RecipientShape(Schema):
    """`address` is the part of it that may be shown: never a credential."""

    id: int
    kind: Reached
    label: str
    address: str
    made_by: str
    created_at: datetime


class SignedRecipient(RecipientShape):
    signing_secret: str = Field(
        description="What deliveries to a webhook are signed with, told when it is made and never again; else empty"
    )


class RuleShape(Schema):
    """`sentence` says it in words, to be read after the recipient's name. `digest_at` is on the clocks of
    `time_zone`."""

    id: int
    recipient: int
    topics: list[Topic]
    refs: list[str]
    environments: list[str]
    only_changes: bool
    digest_at: str | None
    time_zone: str
    sentence: str
    made_by: str
    created_at: datetime


class TryShape(Schema):
    """One try to reach a webhook. Without an answer, an error or an end it was cut off: nobody knows whether it
    arrived."""

    begun_at: datetime
    body: str
    http_status: int | None
    took_ms: int | None
    answer: str
    error: str


class SendingShape(Schema):
    """A message to a recipient. It waits while it is neither sent nor given up; `deliveries` are kept for webhooks
    alone, the newest last."""

    id: int
    topic: str
    title: str
    name: str = Field(description="What it is about; empty when that is not there any more")
    url: str
    at: datetime
    due_at: datetime
    sent_at: datetime | None
    given_up_at: datetime | None
    tries: int
    error: str
    deliveries: list[TryShape]


def recipient(row: Recipient) -> RecipientShape:
    return RecipientShape(
        id=row.pk,
        kind=row.kind,  # type: ignore[arg-type]  # one of the four, by its column
        label=row.label,
        address=row.shown,
        made_by=row.made_by,
        created_at=row.created_at,
    )


def signed(row: Recipient) -> SignedRecipient:
    return SignedRecipient(**dict(recipient(row)), signing_secret=row.signing_secret)


def rule(row: Rule, default_branch: str) -> RuleShape:
    return RuleShape(
        id=row.pk,
        recipient=row.recipient_id,
        topics=[Topic(topic) for topic in row.topics],
        refs=row.refs,
        environments=row.environments,
        only_changes=row.only_changes,
        digest_at=f"{row.digest_at:%H:%M}" if row.digest_at else None,
        time_zone=row.time_zone,
        sentence=sentence(row, default_branch),
        made_by=row.made_by,
        created_at=row.created_at,
    )


def sending(row: Row) -> SendingShape:
    message = row.sending.message
    told = message.transition or message.notice
    assert told is not None  # by its constraint
    return SendingShape(
        id=message.pk,
        topic=message.topic,
        title=row.title,
        name=row.name,
        url=page(row.url) if row.url else "",
        at=told.at,
        due_at=message.due_at,
        sent_at=message.sent_at,
        given_up_at=message.given_up_at,
        tries=message.attempts,
        error=message.error,
        deliveries=[_delivery(one) for one in row.sending.tries],
    )


def _delivery(one: Delivery) -> TryShape:
    return TryShape(
        begun_at=one.begun_at,
        body=one.body,
        http_status=one.http_status,
        took_ms=one.took_ms,
        answer=one.answer,
        error=one.error,
    )
