"""The one door to Slack."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.http_retry.builtin_handlers import (
    ConnectionErrorRetryHandler,
    RateLimitErrorRetryHandler,
    ServerErrorRetryHandler,
)
from slack_sdk.http_retry.request import HttpRequest
from slack_sdk.http_retry.response import HttpResponse
from slack_sdk.http_retry.state import RetryState

from server.notifications.errors import Refused, Unreachable
from server.notifications.messages import ChatMessage

TIMEOUT_SECONDS = 10
_LONGEST_PAUSE_SECONDS = 5  # a longer one is the outbox's to wait for

# Slack's errors that pass; any other means that the same message will be refused again.
_PASSING = frozenset(
    {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"}
)


class _ShortRateLimit(RateLimitErrorRetryHandler):
    """Waits here only when Slack asks for a short while: the message's lease would run out meanwhile."""

    def _can_retry(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        limited = super()._can_retry(state=state, request=request, response=response, error=error)
        return limited and response is not None and _asked_seconds(response) <= _LONGEST_PAUSE_SECONDS


# What Slack says of a message that cannot be written over any more: another one is needed.
_GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", "channel_not_found"})


@dataclass(frozen=True, slots=True)
class Posted:
    """Where a message stands: Slack's id of its channel, and its name there."""

    channel: str
    ts: str


def post(channel: str, message: ChatMessage, name: str, thread_ts: str | None = None) -> Posted:
    """Write `message` to `channel` (#name or id), or into a thread there. Raises Refused or Unreachable.

    Slack takes the same message twice: `name` goes along as metadata, so that a program can tell that it is one.
    """
    if not channel:
        raise Refused("the project names no channel any more")
    client = _client()
    answer = _asked(
        channel,
        lambda: client.chat_postMessage(
            channel=channel,
            thread_ts=thread_ts,
            link_names=False,
            unfurl_links=False,
            unfurl_media=False,
            **_content(message, name),
        ),
    )
    return Posted(str(answer.get("channel") or channel), str(answer.get("ts") or ""))


def update(at: Posted, message: ChatMessage, name: str) -> bool:
    """Write over a message; False when it is gone or may not be written over. Raises Refused or Unreachable."""
    client = _client()
    try:
        _asked(at.channel, lambda: client.chat_update(channel=at.channel, ts=at.ts, **_content(message, name)))
    except Refused as error:
        if isinstance(error.__cause__, SlackApiError) and str(error.__cause__.response.get("error", "")) in _GONE:
            return False
        raise
    return True


def _content(message: ChatMessage, name: str) -> dict[str, Any]:
    metadata = {"event_type": "slipway_message", "event_payload": {"id": name}}
    return {"text": message.text, "blocks": list(message.blocks), "metadata": metadata}


def _asked(channel: str, ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except SlackApiError as error:
        raise _translated(error, channel) from error
    except (SlackClientError, OSError) as error:
        raise Unreachable(f"Slack did not answer: {error}") from error


def _client() -> WebClient:
    if not settings.SLIPWAY_SLACK_TOKEN:
        raise Refused("this server has no Slack token: set SLIPWAY_SLACK_TOKEN")
    return WebClient(
        token=settings.SLIPWAY_SLACK_TOKEN,
        base_url=settings.SLIPWAY_SLACK_API,
        timeout=TIMEOUT_SECONDS,
        retry_handlers=[ConnectionErrorRetryHandler(), _ShortRateLimit(), ServerErrorRetryHandler()],
    )


def _translated(error: SlackApiError, channel: str) -> Refused | Unreachable:
    code, status = str(error.response.get("error", "")), error.response.status_code
    if code in _PASSING or status == 429 or status >= 500:
        after = _seconds(error.response.headers) if status == 429 else 0
        return Unreachable(f"Slack answered {status} {code}".rstrip(), after)
    return Refused(f"Slack refused the message to {channel}: {code or status}")


def _asked_seconds(response: HttpResponse) -> float:
    return _seconds(response.headers)


def _seconds(headers: Mapping[str, Any]) -> float:
    """How long Slack asks us to wait; 1 when it does not say."""
    given = next((values for name, values in headers.items() if name.lower() == "retry-after"), "1")
    first = str(given if isinstance(given, str) else given[0])
    return float(first) if first.replace(".", "", 1).isdigit() else float("inf")
