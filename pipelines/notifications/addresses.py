"""Pure: is this an address of that kind, and what of it may be shown?"""

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from pipelines.errors import UserError
from pipelines.notifications.models import Kind

MAX_MAILS = 20
_CHANNEL = re.compile(r"#[^\s#,<>&]{1,79}|[CGD][A-Z0-9]{5,20}")
_SCHEMA = re.compile(r"[a-z][a-z0-9]{1,30}")


class BadAddress(UserError):
    """Nothing can be sent there."""


@dataclass(frozen=True, slots=True)
class Address:
    """`shown` is what pages may show of it: never what may be a credential."""

    text: str
    shown: str


def read(kind: Kind, text: str) -> Address:
    """Raises BadAddress, in words for whoever typed it."""
    text = text.strip()
    if not text or len(text) > 2000 or not text.isprintable():
        raise BadAddress("an address is needed, on one line")
    return _READ[kind](text)


def mails(text: str) -> list[str]:
    """The addresses in a list that is separated by commas, semicolons or spaces."""
    return [word for word in re.split(r"[\s,;]+", text) if word]


def _slack(text: str) -> Address:
    if not _CHANNEL.fullmatch(text):
        raise BadAddress(f"{text[:80]!r} is no Slack channel: write #name, or the channel's id")
    return Address(text, text)


def _mail(text: str) -> Address:
    words = mails(text)
    if len(words) > MAX_MAILS:
        raise BadAddress(f"{len(words)} addresses are too many, at most {MAX_MAILS}: use a mailing list")
    for word in words:
        try:
            validate_email(word)
        except ValidationError as error:
            raise BadAddress(f"{word[:80]!r} is no mail address") from error
    shown = ", ".join(words)
    return Address(shown, shown if len(shown) <= 200 else f"{words[0]} and {len(words) - 1} more"[:200])


def _webhook(text: str) -> Address:
    parts = _split(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadAddress("a webhook is a full URL: https://example.org/path")
    if parts.username is not None or parts.password is not None:
        raise BadAddress("a webhook's URL has no user name or password: deliveries are signed instead")
    port = f":{parts.port}" if parts.port else ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Address(text, f"{parts.scheme}://{host}{port}/…"[:200])


def _apprise(text: str) -> Address:
    schema, is_url, rest = text.partition("://")
    if not (is_url and rest and _SCHEMA.fullmatch(schema.lower())):
        raise BadAddress("an apprise URL is needed: schema://…, as apprise's documentation says for each service")
    return Address(text, f"{schema.lower()}://…")


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise BadAddress("that is no URL") from error
    return parts


_READ = {Kind.SLACK: _slack, Kind.MAIL: _mail, Kind.WEBHOOK: _webhook, Kind.APPRISE: _apprise}
