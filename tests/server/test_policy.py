"""What pages may load."""

import pytest
from django.test import Client
from django.urls import reverse

from tests.factories import make_operator

pytestmark = pytest.mark.django_db


def test_pages_and_the_admin_may_load_only_what_this_server_serves(client: Client) -> None:
    client.force_login(make_operator())
    for address in ("/", "/admin/", "/sign-in/", "/projects/none/", "/static/nothing.css"):
        policy = client.get(address)["Content-Security-Policy"]
        assert "script-src 'self';" in policy, address
        assert "unsafe" not in policy, address


def test_only_the_queue_s_dashboard_may_carry_scripts_in_its_text(client: Client) -> None:
    assert "'unsafe-inline'" in client.get(reverse("admin:django_rq_home"))["Content-Security-Policy"]
