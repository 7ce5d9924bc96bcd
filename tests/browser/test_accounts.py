"""Getting in, in a real browser: password, second factor, recovery codes, a token's text; nothing of it barred."""

import time

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.contrib.auth.tokens import default_token_generator
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from tests.browser.conftest import Visit
from tests.browser.visitor import Visitor
from tests.factories import make_person, make_project

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "correct horse battery"


def shown(key: str, periods: int = 0) -> str:
    return str(format_hotp_value(hotp_value(key.replace(" ", ""), int(time.time()) // 30 + periods)))


def is_sound(visitor: Visitor) -> None:
    assert visitor.barriers() == []
    assert visitor.sticks_out() == []


def sign_in(visitor: Visitor) -> None:
    visitor.open("/sign-in/")
    visitor.page.get_by_label("Name").fill("ada")
    visitor.page.get_by_label("Password").fill(PASSWORD)
    visitor.page.get_by_role("button", name="Sign in").click()


@pytest.mark.parametrize(
    "window", [{"color_scheme": "light"}, {"color_scheme": "dark", "viewport": {"width": 360, "height": 740}}]
)
def test_a_person_sets_up_a_second_factor_and_comes_in_with_it(window: dict[str, object], visitor_of: Visit) -> None:
    make_person("ada", password=PASSWORD, project=make_project())
    visitor = visitor_of(**window)
    page = visitor.page
    sign_in(visitor)
    visitor.open("/account/")
    is_sound(visitor)
    page.get_by_role("link", name="Set up").click()
    page.get_by_role("heading", name="Is it you?").wait_for()
    is_sound(visitor)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("img", name="QR code of the key below").wait_for()
    is_sound(visitor)
    key = page.locator("code").first.inner_text()
    page.get_by_role("textbox", name="Code").fill(shown(key))
    page.get_by_role("button", name="Turn it on").click()
    page.get_by_role("heading", name="Keep these recovery codes").wait_for()
    is_sound(visitor)
    codes = page.locator("#codes").inner_text().split()
    visitor.open("/account/two-factor/")
    is_sound(visitor)
    visitor.open("/account/two-factor/app/remove/")
    is_sound(visitor)
    visitor.context.clear_cookies()
    sign_in(visitor)
    page.get_by_role("heading", name="Your second factor").wait_for()
    is_sound(visitor)
    page.get_by_role("textbox", name="Code").fill(codes[0])
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("heading", name="Projects").first.wait_for()
    assert visitor.complaints == []


def test_the_text_of_a_new_token_is_copied_with_a_button(visitor_of: Visit) -> None:
    ada = make_person("ada", project=make_project())
    visitor = visitor_of(permissions=["clipboard-read", "clipboard-write"])
    visitor.signs_in_as(ada)
    visitor.open("/account/tokens/")
    page = visitor.page
    page.get_by_label("What it is for").fill("my laptop")
    page.get_by_role("button", name="Make the token").click()
    is_sound(visitor)
    text = page.locator("#token-text").inner_text()
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == text
    assert text.startswith("slip_")
    assert visitor.complaints == []


def test_who_is_locked_reads_when_it_ends(visitor_of: Visit) -> None:
    make_person("ada", password=PASSWORD)
    visitor = visitor_of()
    for _ in range(5):
        visitor.open("/sign-in/")
        visitor.page.get_by_label("Name").fill("ada")
        visitor.page.get_by_label("Password").fill("wrong")
        visitor.page.get_by_role("button", name="Sign in").click()
    visitor.page.get_by_role("heading", name="Too many tries").wait_for()
    is_sound(visitor)
    visitor.expects("429")
    assert visitor.complaints == []


def test_a_new_password_is_set_by_the_link_of_a_letter(visitor_of: Visit) -> None:
    ada = make_person("ada", password=PASSWORD, project=make_project())
    name = urlsafe_base64_encode(force_bytes(ada.pk))
    visitor = visitor_of(viewport={"width": 360, "height": 740})
    page = visitor.page
    visitor.open(f"/sign-in/new-password/{name}/{default_token_generator.make_token(ada)}/")
    is_sound(visitor)
    page.get_by_label("New password", exact=True).fill("staple battery wrong horse")
    page.get_by_label("New password confirmation").fill("staple battery wrong horse")
    page.get_by_role("button", name="Set the password").click()
    page.get_by_role("alert").filter(has_text="Your password is new").wait_for()
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill("staple battery wrong horse")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Projects").first.wait_for()
    assert visitor.complaints == []
