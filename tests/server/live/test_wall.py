"""The wall's socket: for whoever may see the wall, and with a screen's key for nothing else."""

import json

import pytest
from asgiref.sync import sync_to_async

from pipelines.projects.models import Project
from pipelines.screens import lifecycle as screens
from pipelines.screens.models import Screen
from server.live import entry, subjects
from server.live import wall as walls
from server.live.entry import NOT_FOUND
from server.live.screens import KEY_COOKIE
from server.live.subjects import Subject
from tests.factories import make_environment, make_operator, make_project, make_run
from tests.server.live.conftest import Browser

pytestmark = pytest.mark.django_db(transaction=True)


def scope_of(key: str) -> dict[str, object]:
    return {"cookies": {KEY_COOKIE: key}}


def paired(project: Project) -> str:
    secret = screens.new_secret()
    screens.pair(make_operator(), "kitchen", screens.code_of(secret), [project], by="ada (#1)")
    key = screens.claim(secret)
    assert key is not None
    return key


def test_a_screen_listens_to_its_projects_and_their_environments_and_to_nothing_else() -> None:
    shop, other = make_project(), make_project()
    place = make_environment(shop)
    make_environment(other)
    assert walls._names(scope_of(paired(shop))) == frozenset({f"project:{shop.pk}", f"environment:{place.pk}"})


def test_who_is_neither_signed_in_nor_paired_listens_to_nothing() -> None:
    assert walls._names({"cookies": {}}) is None
    assert walls._names(scope_of("no such key")) is None


def test_a_screen_s_key_is_nobody_on_other_sockets() -> None:
    shop = make_project()
    scope = scope_of(paired(shop))
    assert not entry.person_of(scope).is_authenticated
    assert not subjects.may_watch(entry.person_of(scope), Subject("project", shop.pk))


def test_a_revoked_screen_hears_no_more() -> None:
    key = paired(make_project())
    screens.revoke(Screen.objects.get(), by="ada (#1)")
    assert walls._names(scope_of(key)) is None


async def test_a_change_is_told_once_and_between_changes_it_beats(browser: Browser) -> None:
    shop, ada = await sync_to_async(make_project)(), await sync_to_async(make_operator)()
    socket = await sync_to_async(browser)("/wall/live/", ada)
    assert await socket.connect()
    assert json.loads(await socket.hear()) == {"beat": True}
    assert json.loads(await socket.hear()) == {"changed": True}  # of before it listened
    await sync_to_async(make_run)(shop)
    assert json.loads(await socket.hear()) == {"changed": True}
    await socket.leave()


async def test_a_browser_that_may_not_see_the_wall_is_sent_away(browser: Browser) -> None:
    socket = await sync_to_async(browser)("/wall/live/", None)
    assert await socket.connect()
    assert json.loads(await socket.hear()) == {"beat": True}
    assert await socket.close_code() == NOT_FOUND
    await socket.leave()
