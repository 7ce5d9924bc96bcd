"""A security key in a real browser: Chromium's own virtual one makes and signs what is asked."""

import pytest
from allauth.mfa.models import Authenticator
from playwright.sync_api import CDPSession, expect

from pipelines.audit.models import Act
from tests.browser.conftest import Visit
from tests.browser.visitor import Visitor
from tests.factories import make_person, make_project

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "correct horse battery"
_OPTIONS: dict[str, object] = {
    "protocol": "ctap2",
    "transport": "usb",
    "hasUserVerification": True,
    "isUserVerified": True,
}
_OPTIONS["automaticPresenceSimulation"] = True


def plug_in(visitor: Visitor) -> tuple[CDPSession, str]:
    """A key that is touched at once."""
    tools = visitor.context.new_cdp_session(visitor.page)
    tools.send("WebAuthn.enable")
    made = tools.send("WebAuthn.addVirtualAuthenticator", {"options": _OPTIONS})
    return tools, made["authenticatorId"]


def sign_in(visitor: Visitor) -> None:
    visitor.context.clear_cookies()
    visitor.open("/sign-in/")
    visitor.page.get_by_label("Name").fill("ada")
    visitor.page.get_by_label("Password").fill(PASSWORD)
    visitor.page.get_by_role("button", name="Sign in").click()


def is_sound(visitor: Visitor) -> None:
    assert visitor.barriers() == []
    assert visitor.sticks_out() == []


@pytest.fixture
def ada(visitor_of: Visit) -> Visitor:
    """Ada's window on a phone, signed in; keys work at names alone, never at an address of figures."""
    make_person("ada", password=PASSWORD, project=make_project())
    visitor = visitor_of(viewport={"width": 360, "height": 740})
    visitor.url = visitor.url.replace("127.0.0.1", "localhost")
    sign_in(visitor)
    visitor.page.get_by_role("heading", name="Projects").first.wait_for()
    return visitor


def add_key(visitor: Visitor, name: str) -> list[str]:
    """By the pages; gives the recovery codes that come with the first one."""
    page = visitor.page
    visitor.open("/account/two-factor/keys/add/")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("What you call it").fill(name)
    is_sound(visitor)
    page.get_by_role("button", name="Add the key").click()
    page.get_by_role("heading", name="Keep these recovery codes").wait_for()
    return page.locator("#codes").inner_text().split()


def test_a_key_is_added_signs_in_and_is_removed(ada: Visitor) -> None:
    page = ada.page
    plug_in(ada)
    add_key(ada, "the blue one")
    ada.open("/account/two-factor/")
    expect(page.locator("main")).to_contain_text("the blue one")
    is_sound(ada)

    sign_in(ada)
    page.get_by_role("heading", name="Your second factor").wait_for()
    is_sound(ada)
    page.get_by_role("button", name="Use your security key").click()
    page.get_by_role("heading", name="Projects").first.wait_for()
    assert Act.objects.filter(verb="signed in").latest("pk").facts["by"] == ["password", "second factor"]

    key = Authenticator.objects.get(type=Authenticator.Type.WEBAUTHN)
    ada.open(f"/account/two-factor/keys/{key.pk}/remove/")
    page.get_by_role("link", name="Use your security key instead").click()
    is_sound(ada)
    page.get_by_role("button", name="Use your security key").click()
    page.get_by_role("heading", name="Remove the blue one?").wait_for()
    is_sound(ada)
    page.get_by_role("button", name="Remove it").click()
    page.get_by_role("heading", name="No second factor yet").wait_for()
    assert not Authenticator.objects.exists()
    sign_in(ada)
    page.get_by_role("heading", name="Projects").first.wait_for()


def test_without_the_key_nobody_is_in_but_by_a_recovery_code(ada: Visitor) -> None:
    page = ada.page
    tools, plugged = plug_in(ada)
    codes = add_key(ada, "lost soon")
    tools.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": plugged})
    plug_in(ada)  # somebody else's
    sign_in(ada)
    page.get_by_role("button", name="Use your security key").click()
    expect(page.get_by_role("status")).to_contain_text("No key was taken")
    ada.open("/account/")
    page.get_by_role("heading", name="Sign in").wait_for()

    sign_in(ada)
    page.get_by_role("textbox", name="Code").fill(codes[0])
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("heading", name="Projects").first.wait_for()
