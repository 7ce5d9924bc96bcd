"""A new password by mail: a letter with a link that works once, to whom the account's own address belongs."""

import re
import threading

import pytest
from django.contrib.auth.models import User
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.test import Client
from pytest_django import Settings

from pipelines.audit.models import Act
from pipelines.outbox.models import Channel, Message, Notice
from server.notifications import announcer
from tests.factories import make_person
from tests.lab.mailbox import Mailbox
from tests.server.web.signing import steps
from tests.server.web.signing.steps import PASSWORD, is_in, person_with_password, sign_in, verbs

pytestmark = pytest.mark.django_db
ASKED, NEW = "/sign-in/forgotten/", "staple battery wrong horse"


@pytest.fixture
def ada() -> User:
    return with_address(person_with_password(), "ada@example.org")


def with_address(person: User, address: str) -> User:
    person.email = address
    person.save()
    return person


def drain() -> None:
    announcer.drain(Channel.MAIL, threading.Event())


def ask(address: str = "ada@example.org") -> int:
    return Client().post(ASKED, {"address": address}).status_code


def links(box: Mailbox) -> list[str]:
    """Of the newest letter, as paths of this server."""
    found = re.findall(r"https://slipway\.example(/sign-in/new-password/\S+)", box.letters[-1].text)
    assert all(link in box.letters[-1].html for link in found)
    return found


def open_form(client: Client, link: str) -> str:
    """Where the link leads: an address without the secret, which no other page is told of."""
    where = client.get(link)["Location"]
    assert link.rstrip("/").rpartition("/")[2] not in where
    return str(where)


def set_password(link: str, password: str = NEW) -> Client:
    client = Client()
    client.post(open_form(client, link), {"new_password1": password, "new_password2": password})
    return client


def test_the_link_of_the_letter_sets_a_new_password_and_signs_nobody_in(ada: User, box: Mailbox) -> None:
    assert ask("ADA@example.org") == 302
    drain()
    (letter,) = box.letters
    assert (letter.to, letter.subject) == (("ada@example.org",), "A new password for ada")
    assert "from 127.0.0.1" in letter.text
    client = set_password(links(box)[0])
    assert not is_in(client)
    assert sign_in(Client(), password=PASSWORD).status_code == 200
    assert sign_in(client, password=NEW).status_code == 302
    assert is_in(client)


def test_every_session_ends_with_it(ada: User, box: Mailbox) -> None:
    elsewhere = Client()
    sign_in(elsewhere)
    ask()
    drain()
    assert is_in(elsewhere)
    set_password(links(box)[0])
    assert not is_in(elsewhere)


def test_a_link_works_once_and_not_for_long(ada: User, box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    ask()
    drain()
    set_password(links(box)[0])
    assert "used or is too old" in Client().get(links(box)[0]).content.decode()
    ask()
    drain()
    now = PasswordResetTokenGenerator._now
    later = lambda self: now(self).__class__.fromtimestamp(now(self).timestamp() + 31 * 60)  # noqa: E731
    monkeypatch.setattr(PasswordResetTokenGenerator, "_now", later)
    assert "used or is too old" in Client().get(links(box)[0]).content.decode()


def test_the_answer_does_not_tell_whether_anybody_has_the_address(ada: User, box: Mailbox) -> None:
    answers = []
    for address in ("ada@example.org", "nobody@example.org"):
        client = Client()
        answer = client.post(ASKED, {"address": address})
        said = client.get("/sign-in/").content.decode().count("letter")
        answers.append((answer.status_code, answer["Location"], said))
    assert answers[0] == answers[1]
    assert Message.objects.count() == 2  # the same work for both
    drain()
    assert [letter.to for letter in box.letters] == [("ada@example.org",)]
    assert not Notice.objects.exists()
    assert not Message.objects.exists()


def test_letters_cannot_be_asked_for_without_end(ada: User, box: Mailbox) -> None:
    assert [ask() for _ in range(4)] == [302, 302, 302, 429]
    assert [ask(f"{number}@example.org") for number in range(7)] == [302] * 6 + [429]


def test_who_has_no_password_gets_none_by_mail_and_neither_does_who_is_switched_off(ada: User, box: Mailbox) -> None:
    ada.set_unusable_password()
    ada.save()
    bob = with_address(make_person("bob", password=PASSWORD), "bob@example.org")
    User.objects.filter(pk=bob.pk).update(is_active=False)
    ask()
    ask("bob@example.org")
    drain()
    assert box.letters == []


def test_two_accounts_of_one_mailbox_have_a_link_each(ada: User, box: Mailbox) -> None:
    with_address(make_person("root", password=PASSWORD), "ada@example.org")
    with_address(make_person("eve", password=PASSWORD), "ADA@example.org")  # another mailbox, for all we know
    ask()
    drain()
    (letter,) = box.letters
    assert len(links(box)) == 2
    assert "eve" not in letter.text


def test_a_letter_is_not_sent_when_its_time_is_over(ada: User, box: Mailbox, settings: Settings) -> None:
    ask()
    settings.PASSWORD_RESET_TIMEOUT = 0
    drain()
    assert box.letters == []
    assert Message.objects.get().given_up_at is not None


def test_a_mail_server_that_says_later_is_asked_again_and_gets_a_good_link(ada: User, box: Mailbox) -> None:
    box.refusals.append("451 try again later")
    ask()
    drain()
    Message.objects.update(due_at=Notice.objects.get().at)
    drain()
    set_password(links(box)[0])
    assert sign_in(Client(), password=NEW).status_code == 302


@pytest.mark.django_db(transaction=True)
def test_the_second_factor_is_still_asked_for(ada: User, box: Mailbox) -> None:
    client = Client()
    sign_in(client)
    steps.set_up_app(client)
    ask()
    drain()
    fresh = set_password(links(box)[0])
    assert sign_in(fresh, password=NEW)["Location"] == "/sign-in/second-factor/"
    assert not is_in(fresh)


def test_a_password_that_is_too_easy_is_not_taken(ada: User, box: Mailbox) -> None:
    ask()
    drain()
    client = Client()
    form = open_form(client, links(box)[0])
    page = client.post(form, {"new_password1": "password123", "new_password2": "password123"})
    assert "too common" in page.content.decode()
    assert sign_in(Client()).status_code == 302


def test_the_audit_tells_of_the_letter_and_of_the_new_password(ada: User, box: Mailbox) -> None:
    ask()
    ask("nobody@example.org")
    drain()
    set_password(links(box)[0])
    assert verbs() == ["had a link mailed", "set a new password by mail"]
    first, second = Act.objects.order_by("pk")
    assert (first.actor, first.facts) == ("somebody unknown", {"address": "127.0.0.1"})
    assert first.subject == second.actor
    assert second.facts == {"address": "127.0.0.1"}


def test_without_mail_the_pages_say_whom_to_ask(ada: User, settings: Settings) -> None:
    settings.SLIPWAY_MAIL_URL = ""
    assert "An operator can give you a new one" in Client().get("/sign-in/").content.decode()
    assert "sends no mail" in Client().get(ASKED).content.decode()
    assert ask() == 302
    assert not Message.objects.exists()


def test_with_mail_the_sign_in_leads_there(box: Mailbox) -> None:
    page = Client().get("/sign-in/").content.decode()
    assert f'href="{ASKED}"' in page
    assert "operator can give" not in page
