"""The answers that pages wait for."""

import pytest
from django.utils import timezone

from pipelines.deploys.models import Environment, Host
from pipelines.probes import lifecycle
from pipelines.probes.models import Kind
from runners import probes
from runners.clouds.inventory import NoHosts
from tests.factories import make_environment

pytestmark = pytest.mark.django_db


def ask(environment: Environment, kind: Kind = Kind.INVENTORY) -> dict[str, object]:
    found: dict[str, object] = probes.answer(lifecycle.ask(kind, environment.pk, "ada (#1)"))
    return found


def remember(environment: Environment, name: str, address: str, group: str = "") -> None:
    Host.objects.create(environment=environment, name=name, address=address, group=group, listed_at=timezone.now())


def test_the_first_listing_is_all_there_is_to_say() -> None:
    answer = ask(make_environment())
    assert answer["hosts"] == [
        {"name": "web-1", "address": "127.0.9.1", "external_id": "", "port": None, "group": ""},
        {"name": "web-2", "address": "127.0.9.2", "external_id": "", "port": None, "group": ""},
    ]
    assert (answer["changes"], answer["known"], answer["asks"]) == ([], 0, False)


def test_what_has_changed_since_the_last_deploy_is_named() -> None:
    environment = make_environment()
    remember(environment, "web-1", "10.0.0.1")
    remember(environment, "web-9", "10.0.0.9")
    assert ask(environment)["changes"] == [
        {"name": "web-1", "what": "moved", "before": "10.0.0.1"},
        {"name": "web-2", "what": "new", "before": ""},
        {"name": "web-9", "what": "gone", "before": "10.0.0.9"},
    ]


def test_a_drop_beyond_the_share_says_that_a_deploy_would_ask() -> None:
    environment = make_environment(hosts=["web-1"])
    for number in range(1, 5):
        remember(environment, f"web-{number}", f"127.0.9.{number}")
    answer = ask(environment)
    assert (answer["missing"], answer["before"], answer["asks"]) == (3, 4, True)


def test_a_list_of_nobody_is_an_error_with_words() -> None:
    with pytest.raises(NoHosts, match="lists no running host"):
        ask(make_environment(hosts=[]))


def test_looking_writes_no_host_down() -> None:
    environment = make_environment()
    ask(environment)
    assert not environment.hosts.exists()
