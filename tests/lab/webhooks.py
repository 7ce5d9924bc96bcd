"""Signs and sends webhooks the way GitHub does."""

import hashlib
import hmac
import json
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where a repository's events are sent, and the secret they are signed with."""

    url: str
    secret: str


@dataclass(frozen=True, slots=True)
class Delivered:
    """How the receiver answered one delivery."""

    delivery_id: str
    status: int
    body: str


def sign(secret: str, body: bytes) -> str:
    """The value of X-Hub-Signature-256 for a raw body."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def headers(event: str, body: bytes, secret: str, delivery_id: str) -> dict[str, str]:
    """The headers of one delivery."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/1a2b3c4",
        "X-GitHub-Delivery": delivery_id,
        "X-GitHub-Event": event,
        "X-GitHub-Hook-ID": "1",
        "X-Hub-Signature-256": sign(secret, body),
    }


def deliver(webhook: Webhook, event: str, payload: dict[str, Any], delivery_id: str | None = None) -> Delivered:
    """Send one event; the same `delivery_id` again is GitHub's redelivery. No answer raises OSError."""
    delivery_id = delivery_id or str(uuid.uuid4())
    body = json.dumps(payload).encode()
    request = urllib.request.Request(webhook.url, body, headers(event, body, webhook.secret, delivery_id))
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return Delivered(delivery_id, answer.status, answer.read().decode())
    except urllib.error.HTTPError as refusal:
        with refusal:
            return Delivered(delivery_id, refusal.code, refusal.read().decode(errors="replace"))
