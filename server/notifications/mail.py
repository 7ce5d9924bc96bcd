"""The one door to mail: what a message of the outbox means to its readers, and how it is handed to a mail server."""

import smtplib
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives
from django.core.validators import validate_email

from pipelines.outbox.models import Message, Notice
from pipelines.people import resets
from server.notifications import letters, passwords
from server.notifications.errors import Refused, Unreachable
from server.notifications.facts import said
from server.notifications.recipients import mail_addresses, name_of, unheard
from server.notifications.words import Words


def send(message: Message) -> None:
    """Mail what `message` is about to those who are to read it. Raises Refused or Unreachable."""
    if not settings.SLIPWAY_MAIL_URL:
        raise Refused("this server has no mail server: set SLIPWAY_MAIL_URL")
    if message.notice is not None and message.topic == resets.TOPIC:
        _send_password(message, message.notice)
        return
    telling = said(message)
    if to := unheard(message, telling, _checked(mail_addresses(message, telling))):
        _hand_over(_letter(message, telling.words, to))


def _send_password(message: Message, notice: Notice) -> None:
    asked = passwords.words(notice)
    if asked is not None:
        to, words = asked
        _hand_over(_letter(message, words, [to]))
    passwords.note(notice)


def _letter(message: Message, words: Words, to: list[str]) -> EmailMultiAlternatives:
    """One that is sent again after a crash has the name of the first: mail servers and readers drop the second."""
    host = urlsplit(settings.SLIPWAY_URL).hostname or "slipway"
    headers = {
        "Message-ID": f"<{name_of(message)}@{host}>",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
    }
    letter = EmailMultiAlternatives(
        letters.subject(words), letters.text(words), settings.SLIPWAY_MAIL_FROM, to, headers=headers
    )
    letter.attach_alternative(letters.html(words), "text/html")
    return letter


def _hand_over(letter: EmailMultiAlternatives) -> None:
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
