"""The one door to mail: what a message of the outbox means to its readers, and how it is handed to a mail server."""

import smtplib
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.core.validators import validate_email

from pipelines.outbox.models import Message
from server.notifications.errors import Refused, Unreachable
from server.notifications.facts import Said, said
from server.notifications.messages import plain
from server.notifications.words import Cause, Words


def send(message: Message) -> None:
    """Mail what `message` is about to who reads of its environment. Raises Refused or Unreachable."""
    if not settings.SLIPWAY_MAIL_URL:
        raise Refused("this server has no mail server: set SLIPWAY_MAIL_URL")
    telling = said(message)
    _hand_over(_letter(message, telling, _checked(telling.mail_to)))


def subject(words: Words) -> str:
    return plain(f"{words.headline}: {words.cause}" if words.cause else words.headline)


def body(words: Words) -> str:
    """Plain text: somebody else's words cannot become a link's name or a picture there."""
    lines = [plain(words.headline), "", *(_line(line) for line in words.lines)]
    notes = [plain(note) for note in words.notes]
    return "\n".join([*lines, "", *notes, "", f"{plain(words.link)}: {words.url}", ""])


def _letter(message: Message, telling: Said, to: list[str]) -> EmailMessage:
    """One that is sent again after a crash has the name of the first: mail servers and readers drop the second."""
    host = urlsplit(settings.SLIPWAY_URL).hostname or "slipway"
    headers = {
        "Message-ID": f"<slipway-{settings.SLIPWAY_SERVER_ID}-{message.pk}@{host}>",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
    }
    return EmailMessage(subject(telling.words), body(telling.words), settings.SLIPWAY_MAIL_FROM, to, headers=headers)


def _hand_over(letter: EmailMessage) -> None:
    try:
        letter.send()
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        raise _sorted(min(codes, default=550), f"the mail server takes none of {', '.join(letter.to)}") from error
    except smtplib.SMTPResponseException as error:
        said = error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        raise _sorted(error.smtp_code, f"the mail server answered {error.smtp_code} {said}") from error
    except (smtplib.SMTPException, OSError) as error:
        raise Unreachable(f"the mail server did not answer: {error}") from error


def _sorted(code: int, what: str) -> Refused | Unreachable:
    """By the protocol, 4xx passes and 5xx stays."""
    return Refused(f"{what}; check the addresses and SLIPWAY_MAIL_URL") if code >= 500 else Unreachable(what)


def _checked(to: tuple[str, ...]) -> list[str]:
    good = [address for address in to if _is_address(address)]
    if not good:
        raise Refused(f"no mail address in {', '.join(to) or 'the environment’s settings'}: correct them there")
    return good


def _is_address(address: str) -> bool:
    try:
        validate_email(address)
    except ValidationError:
        return False
    return True


def _line(line: str | Cause) -> str:
    return plain(line) if isinstance(line, str) else f"  {plain(line.name)}: {plain(line.reason)}"
