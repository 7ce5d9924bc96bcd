"""Signed webhooks: what a message of the outbox means to a program, and how it knows that it comes from here."""

import hashlib
import hmac
import json
import time
from typing import Any

from django.conf import settings

from pipelines.notifications.models import Delivery, Recipient
from pipelines.outbox.models import Message
from server.notifications import letters, outside
from server.notifications.errors import NotifyError, Refused, Unreachable
from server.notifications.facts import Said, said
from server.notifications.outside import Answer
from server.notifications.recipients import name_of, recipient
from server.notifications.topics import topics

KEPT_ANSWER = 2000  # characters
# Answers by which a receiver says that it will never take it; any other may pass.
_FOR_GOOD = frozenset({400, 401, 403, 404, 405, 406, 410, 411, 413, 414, 415, 421, 422, 431, 451, 501})


def send(message: Message) -> None:
    """Post what `message` is about to its recipient. Raises Refused or Unreachable.

    Sent again, it has the same id and the same body, under a signature of its own time.
    """
    to = recipient(message)
    body = _body(message)
    row = Delivery.objects.create(message=message, recipient=to, body=body)
    begun = time.monotonic()
    try:
        answer = outside.post(to.address, body.encode(), _headers(message, to, body))
    except NotifyError as error:
        _note(row, begun, error=str(error)[:500])
        raise
    _note(row, begun, http_status=answer.status, answer=answer.text.replace("\x00", "")[:KEPT_ANSWER])
    _judge(answer)


def signature(secret: str, at: int, body: str) -> str:
    """HMAC-SHA256 over `<at>.<body>`, `at` in seconds since 1970: an old delivery cannot pass for a new one."""
    digest = hmac.new(secret.encode(), f"{at}.{body}".encode(), hashlib.sha256).hexdigest()
    return f"v1={digest}"


def payload(message: Message, telling: Said) -> dict[str, Any]:
    """What a program is told, as JSON has it."""
    told, notice = message.transition, message.notice
    at = told.at if told is not None else notice.at if notice is not None else None
    return {
        "id": name_of(message),
        "topic": _topic(message),
        "at": at.isoformat() if at else None,
        "actor": told.actor if told is not None else "",
        "server": settings.SLIPWAY_URL,
        "project": telling.project.name,
        "headline": letters.subject(telling.words),
        "text": letters.text(telling.words),
        "url": telling.words.url,
        **telling.facts,
    }


def _body(message: Message) -> str:
    first = Delivery.objects.filter(message=message).order_by("pk").values_list("body", flat=True).first()
    return first or json.dumps(payload(message, said(message)), ensure_ascii=False, separators=(",", ":"))


def _headers(message: Message, to: Recipient, body: str) -> dict[str, str]:
    at = int(time.time())
    return {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Slipway",
        "Slipway-Delivery": name_of(message),
        "Slipway-Topic": _topic(message),
        "Slipway-Timestamp": str(at),
        "Slipway-Signature": signature(to.signing_secret, at, body),
    }


def _topic(message: Message) -> str:
    return next(iter(topics(message)), message.topic)


def _note(row: Delivery, begun: float, **fields: Any) -> None:
    took_ms = round((time.monotonic() - begun) * 1000)
    Delivery.objects.filter(pk=row.pk).update(took_ms=took_ms, **fields)


def _judge(answer: Answer) -> None:
    """2xx is taken. A redirect is not followed: it could lead inside."""
    if 200 <= answer.status < 300:
        return
    if 300 <= answer.status < 400:
        raise Refused(
            f"the webhook answered {answer.status}, a redirect, which is not followed: write its last address"
        )
    if answer.status in _FOR_GOOD:
        raise Refused(f"the webhook answered {answer.status}: it does not take this")
    raise Unreachable(f"the webhook answered {answer.status}", answer.retry_after_seconds)
