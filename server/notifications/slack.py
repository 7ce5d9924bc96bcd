"""The one door to Slack."""

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


def post(channel: str, message: ChatMessage) -> None:
    """Write `message` to `channel` (#name or id). Raises Refused or Unreachable."""
    if not settings.SLIPWAY_SLACK_TOKEN:
        raise Refused("this server has no Slack token: set SLIPWAY_SLACK_TOKEN")
    if not channel:
        raise Refused("the project names no channel any more")
    try:
        _client().chat_postMessage(
            channel=channel,
            text=message.text,
            blocks=list(message.blocks),
            link_names=False,
            unfurl_links=False,
            unfurl_media=False,
        )
    except SlackApiError as error:
        raise _translated(error, channel) from error
    except (SlackClientError, OSError) as error:
        raise Unreachable(f"Slack did not answer: {error}") from error


def _client() -> WebClient:
    return WebClient(
        token=settings.SLIPWAY_SLACK_TOKEN,
        base_url=settings.SLIPWAY_SLACK_API,
        timeout=TIMEOUT_SECONDS,
        retry_handlers=[ConnectionErrorRetryHandler(), _ShortRateLimit(), ServerErrorRetryHandler()],
    )


def _translated(error: SlackApiError, channel: str) -> Refused | Unreachable:
    code, status = str(error.response.get("error", "")), error.response.status_code
    if code in _PASSING or status == 429 or status >= 500:
        return Unreachable(f"Slack answered {status} {code}".rstrip())
    return Refused(f"Slack refused the message to {channel}: {code or status}")


def _asked_seconds(response: HttpResponse) -> float:
    """How long Slack asks us to wait; 1 when it does not say."""
    given = next((values[0] for name, values in response.headers.items() if name.lower() == "retry-after"), "1")
    return float(given) if given.replace(".", "", 1).isdigit() else float("inf")
