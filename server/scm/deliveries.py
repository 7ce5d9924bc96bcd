"""Webhook deliveries, from their raw bytes to stored events: verify, read, store, answer."""

import hashlib
import hmac
import logging
import re
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from django.db import DatabaseError, transaction

from pipelines.projects import lifecycle
from pipelines.projects.models import Project
from pipelines.projects.secrets import decrypt, encrypt
from pipelines.runs.receiving import Incoming, Received, receive
from server.scm import github, payloads
from server.scm.fields import BadPayload

MAX_BODY = 25 * 1024 * 1024  # bytes; GitHub sends no more

_PROJECT = re.compile(r"[A-Za-z0-9_-]{1,60}")  # a slug; PostgreSQL does not even take a question with a NUL in it
_SIGNATURE = re.compile(r"sha256=[0-9a-f]{64}")
_EVENT = re.compile(r"[a-z_]{1,60}")
_DELIVERY_ID = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
_FORM = "application/x-www-form-urlencoded"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A request to the webhook as it came in; header values are empty when absent."""

    project: str
    event: str
    id: str
    signature: str
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP status and the JSON that goes with it."""

    status: int
    value: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Genuine:
    """A delivery that was signed with its project's secret and could be read."""

    project: Project
    incoming: Incoming


TOO_LARGE = Answer(413, {"error": f"The body is larger than {MAX_BODY} bytes."})
WRONG_METHOD = Answer(405, {"error": "A webhook is sent with POST."})
UNSTORED = Answer(503, {"error": "The delivery could not be stored: send it again."})
_UNSIGNED = Answer(401, {"error": "The signature does not match: check the webhook's URL and secret."})


def take(deliveries: Sequence[Delivery]) -> list[Answer]:
    """Store what signed deliveries say and the runs that come of it; nothing is stored of any other.

    All are written in one transaction: a lock and a commit cost more than a row. If that fails, each has its own.
    """
    names = {delivery.project for delivery in deliveries if _PROJECT.fullmatch(delivery.project)}
    found = Project.objects.defer("code_host_token").filter(name__in=names)
    projects = {project.name: project for project in found}
    read = [_read(delivery, projects.get(delivery.project)) for delivery in deliveries]
    try:
        with transaction.atomic():
            answers = [_store(one) for one in read]
    except DatabaseError:
        answers = [_store_alone(one) for one in read]
    _note_refusals(deliveries, answers)
    return answers


def _note_refusals(deliveries: Sequence[Delivery], answers: Sequence[Answer]) -> None:
    """For the page on which somebody waits for the first delivery; nothing depends on it."""
    pairs = zip(deliveries, answers, strict=True)
    refused = {one.project: _why(one, answer) for one, answer in pairs if answer.status in (400, 401)}
    try:
        for name, why in refused.items():
            if _PROJECT.fullmatch(name):
                lifecycle.note_refusal(name, why)
    except DatabaseError:
        log.exception("a refused delivery could not be noted")


def _why(delivery: Delivery, answer: Answer) -> str:
    if answer is not _UNSIGNED:
        return str(answer.value["error"])
    if not delivery.signature:
        return "It was not signed: no secret is entered at the code host."
    return "Its signature does not match: the secret at the code host is not this project's."


def _store(read: Genuine | Answer) -> Answer:
    if isinstance(read, Answer):
        return read
    return _answer(receive(read.project, read.incoming))


def _store_alone(read: Genuine | Answer) -> Answer:
    try:
        return _store(read)
    except DatabaseError:
        log.exception("a delivery could not be stored")
        return UNSTORED


def _read(delivery: Delivery, project: Project | None) -> Genuine | Answer:
    """A project that does not exist answers as a wrong signature does, after the same work."""
    secret = project.webhook_secret if project else decrypt(_nobodys_secret())
    genuine = _is_signed(delivery, secret)
    if project is None or not genuine:
        return _UNSIGNED
    try:
        return Genuine(project, _incoming(delivery))
    except BadPayload as error:
        return Answer(400, {"error": _sentence(error)})


def _is_signed(delivery: Delivery, secret: str) -> bool:
    """An absent or odd header is compared as well, so that it takes as long. No secret signs nothing."""
    expected = "sha256=" + hmac.new(secret.encode(), delivery.body, hashlib.sha256).hexdigest()
    well_formed = bool(_SIGNATURE.fullmatch(delivery.signature))
    given = delivery.signature if well_formed else "sha256=" + "0" * 64
    return hmac.compare_digest(expected, given) and well_formed and bool(secret)


def _incoming(delivery: Delivery) -> Incoming:
    if not _EVENT.fullmatch(delivery.event):
        raise BadPayload("the header X-GitHub-Event is missing or odd")
    if not _DELIVERY_ID.fullmatch(delivery.id):
        raise BadPayload("the header X-GitHub-Delivery is missing or odd")
    payload = payloads.decode(_json_of(delivery))
    incoming = github.parse(delivery.event, payload)
    return replace(incoming, delivery_id=delivery.id, payload=payloads.kept(payload, len(delivery.body)))


def _json_of(delivery: Delivery) -> bytes:
    """GitHub's other content type is a form whose field `payload` is the JSON."""
    if not delivery.content_type.lower().startswith(_FORM):
        return delivery.body
    try:
        form = urllib.parse.parse_qs(delivery.body, max_num_fields=10)
    except ValueError as error:
        raise BadPayload("the body is not a form") from error
    return form.get(b"payload", [b""])[0]


def _sentence(error: Exception) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."


def _answer(received: Received) -> Answer:
    event = received.event
    number = event.run.number if event.run else None
    value = {"event": event.pk, "outcome": event.outcome, "run": number}
    return Answer(202 if received.new else 200, value)


@cache
def _nobodys_secret() -> str:
    return encrypt("nobody knows this and nobody has it")
