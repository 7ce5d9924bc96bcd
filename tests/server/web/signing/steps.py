"""What people do to get in, step by step."""

import time
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from allauth.mfa.utils import decrypt
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client

from pipelines.audit.models import Act
from tests.factories import make_person

PASSWORD = "correct horse battery"


def person_with_password(name: str = "ada") -> User:
    return make_person(name, password=PASSWORD)


def sign_in(client: Client, name: str = "ada", password: str = PASSWORD, **more: Any) -> HttpResponse:
    """Posts the form; `more` are further fields, or with capitals headers of the request."""
    headers = {key: value for key, value in more.items() if key.isupper()}
    fields = {key: value for key, value in more.items() if not key.isupper()}
    return client.post("/sign-in/", {"username": name, "password": password, **fields}, **headers)  # type: ignore[return-value]


def is_in(client: Client) -> bool:
    return client.get("/account/").status_code == 200


def confirm(client: Client, after: str) -> HttpResponse:
    """Say the password once more, then go where one was sent from."""
    return client.post(f"/account/confirm/?next={after}", {"password": PASSWORD})  # type: ignore[return-value]


def code(person: User, periods: int = 0) -> str:
    """What an authenticator app shows now, or some periods from now."""
    secret = decrypt(Authenticator.objects.get(user=person, type="totp").data["secret"])
    shown: str = format_hotp_value(hotp_value(secret, int(time.time()) // 30 + periods))
    return shown


def set_up_app(client: Client) -> list[str]:
    """A second factor by the pages; gives the recovery codes as they are shown. Signed in already."""
    confirm(client, "/account/two-factor/app/")
    client.get("/account/two-factor/app/")
    secret = client.session["mfa.totp.secret"]
    shown = format_hotp_value(hotp_value(secret, int(time.time()) // 30))
    answer = client.post("/account/two-factor/app/", {"code": shown}, follow=True)
    codes = answer.context["unused_codes"]
    return list(codes)


def verbs() -> list[str]:
    """What has been done so far, oldest first."""
    return list(Act.objects.order_by("pk").values_list("verb", flat=True))
