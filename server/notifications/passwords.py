"""The letter with a link that sets a new password: the link is made when it is sent, and stored nowhere."""

from datetime import timedelta

from django.conf import settings
from django.contrib.auth.forms import PasswordResetForm
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from pipelines.audit.record import record
from pipelines.outbox.models import Notice
from server import access
from server.notifications.errors import Refused
from server.notifications.links import new_password_url
from server.notifications.words import Button, Words

MAX_ACCOUNTS = 10  # in one letter


def words(notice: Notice) -> tuple[str, Words] | None:
    """To whom, and what; None when nobody has such an address, or has it without a password of their own.

    Raises Refused when it was asked for longer ago than a link works: nobody waits for it any more.
    """
    if timezone.now() - notice.at > timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT):
        raise Refused("the mail server was away for longer than such a link works: it has to be asked for once more")
    people = _people(notice.facts["address"])
    return (people[0].email, _letter(people, notice.facts["origin"])) if people else None


def note(notice: Notice) -> None:
    """Tell the audit that it was sent, and keep nothing of what was asked for."""
    for person in _people(notice.facts["address"]):
        record("somebody unknown", "had a link mailed", access.actor(person), address=notice.facts["origin"])
    notice.delete()


def _people(address: str) -> list[User]:
    """One mailbox's, exactly as it stands in their accounts: what was typed is compared, never written to."""
    found: list[User] = sorted(PasswordResetForm().get_users(address), key=lambda person: person.email != address)
    return [person for person in found if person.email == found[0].email][:MAX_ACCOUNTS]


def _letter(people: list[User], origin: str) -> Words:
    minutes = settings.PASSWORD_RESET_TIMEOUT // 60
    return Words(
        headline=f"A new password for {', '.join(person.get_username() for person in people)}",
        notes=(
            f"Somebody asked for it{f' from {origin}' if origin else ''}. The link works once, for {minutes} minutes.",
            "Was it not you? Nothing has changed: leave this letter where it is, and tell an operator if more come.",
        ),
        buttons=tuple(Button(f"Set a new password for {person.get_username()}", _link(person)) for person in people),
    )


def _link(person: User) -> str:
    name = urlsafe_base64_encode(force_bytes(person.pk))
    return new_password_url(name, default_token_generator.make_token(person))
