"""The live socket: what changed is told, to whom may know."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from pytest_django import DjangoAssertNumQueries, Settings

from pipelines.deploys import followups, locks, queue, requests
from pipelines.deploys.models import Deploy, Environment
from pipelines.probes import lifecycle as probes
from pipelines.probes.models import Kind
from pipelines.projects.models import Member, Project
from pipelines.runs.models import Run
from pipelines.states.status import Status
from server.live import consumers, entry, page, subjects
from server.live.hub import QUIET_SECONDS, hub
from server.live.subjects import Subject
from tests.factories import (
    begin_deploy,
    finish_host,
    finish_run,
    make_deploy,
    make_environment,
    make_live,
    make_person,
    make_project,
    make_run,
    plan,
)
from tests.lab.redis_server import OwnRedis
from tests.server.live.conftest import Browser
from tests.server.live.sockets import Communicator

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def project() -> Project:
    return make_project()


@pytest.fixture
def ada(project: Project) -> User:
    return make_person(project=project)


async def watching(browser: Browser, person: User | None, *names: str) -> tuple[Communicator, list[str]]:
    socket = await sync_to_async(browser)("/ws/live/", person)
    assert await socket.connect()
    assert json.loads(await socket.hear()) == {"beat": True}
    await socket.say(json.dumps({"watch": names}))
    answer = json.loads(await socket.hear())
    await asyncio.sleep(0.3)  # the hub joins
    while not await socket.is_silent(timeout=0.1):
        await socket.hear()
    return socket, answer["watching"]


async def heard(socket: Communicator, count: int) -> set[tuple[str, int]]:
    """The first `count` different subjects that are told."""
    told: set[tuple[str, int]] = set()
    while len(told) < count:
        hint: Any = json.loads(await socket.hear())
        told.add((hint["subject"], hint["id"]))
    return told


async def test_a_run_that_moves_is_news_for_itself_and_its_project(
    browser: Browser, ada: User, project: Project
) -> None:
    run = await sync_to_async(make_run)(project, spec=None)
    socket, granted = await watching(browser, ada, f"run:{run.pk}", f"project:{project.pk}")
    assert granted == [f"run:{run.pk}", f"project:{project.pk}"]
    await sync_to_async(plan)(run)
    assert await heard(socket, 2) == {("run", run.pk), ("project", project.pk)}
    await socket.leave()


async def test_a_host_that_moves_is_news_for_its_deploy_and_environment(
    browser: Browser, ada: User, project: Project
) -> None:
    environment = await sync_to_async(make_environment)(project)
    deploy = await sync_to_async(make_deploy)(environment)
    claimed = await sync_to_async(begin_deploy)(deploy)
    socket, _ = await watching(browser, ada, f"deploy:{deploy.pk}", f"environment:{environment.pk}")
    await sync_to_async(finish_host)(claimed, "web-1")
    assert await heard(socket, 2) == {("deploy", deploy.pk), ("environment", environment.pk)}
    await socket.leave()


def _lock(environment: Environment) -> object:
    return locks.take(environment, None, "ada (#1)", "printers")


def _lock_everything(environment: Environment) -> object:
    return locks.take(None, None, "ada (#1)", "the data centre burns")


def _pause(environment: Environment) -> None:
    queue.pause(environment, "ada (#1)", "printers")


def _put_first(environment: Environment) -> None:
    queue.first(environment.deploys.latest("pk"), "ada (#1)", "it mends the till")


@pytest.mark.parametrize("act", [_lock, _lock_everything, _pause, _put_first])
async def test_what_keeps_deploys_away_is_news_for_whoever_looks_at_the_environment(
    browser: Browser, ada: User, project: Project, act: Callable[[Environment], object]
) -> None:
    environment = await sync_to_async(make_environment)(project)
    for _ in range(2):
        await sync_to_async(make_deploy)(environment)
    socket, _ = await watching(browser, ada, f"environment:{environment.pk}", f"project:{project.pk}")
    await sync_to_async(act)(environment)
    assert await heard(socket, 2) == {("environment", environment.pk), ("project", project.pk)}
    await socket.leave()


@pytest.mark.parametrize("act", [followups.abort, requests.cancel])
async def test_that_a_running_deploy_is_to_stop_is_news(
    browser: Browser, ada: User, project: Project, act: Callable[[Deploy, str], object]
) -> None:
    environment = await sync_to_async(make_environment)(project)
    await sync_to_async(make_live)(environment)
    deploy = await sync_to_async(begin_deploy)(await sync_to_async(make_deploy)(environment))
    socket, _ = await watching(browser, ada, f"deploy:{deploy.pk}")
    await sync_to_async(act)(deploy, "ada (#1)")
    assert await heard(socket, 1) == {("deploy", deploy.pk)}
    await socket.leave()


async def test_an_answered_probe_is_news(browser: Browser, ada: User, project: Project) -> None:
    environment = await sync_to_async(make_environment)(project)
    probe = await sync_to_async(probes.ask)(Kind.INVENTORY, environment.pk, "ada")
    socket, granted = await watching(browser, ada, f"probe:{probe.pk}")
    assert granted == [f"probe:{probe.pk}"]
    await sync_to_async(probes.claim)(probe.pk, "worker")
    assert await heard(socket, 1) == {("probe", probe.pk)}
    await socket.leave()


async def test_what_others_own_is_neither_granted_nor_told(browser: Browser, ada: User) -> None:
    other = await sync_to_async(make_run)(spec=None)
    socket, granted = await watching(browser, ada, f"run:{other.pk}", f"project:{other.project_id}", "run:999999")
    assert granted == []
    await sync_to_async(plan)(other)
    assert await socket.is_silent(timeout=0.5)
    await socket.leave()


async def test_without_a_session_the_socket_is_closed(browser: Browser, project: Project) -> None:
    socket = await sync_to_async(browser)("/ws/live/", None)
    assert await socket.connect()
    assert json.loads(await socket.hear()) == {"beat": True}
    for _ in range(2):
        await socket.say(json.dumps({"watch": [f"project:{project.pk}"]}))
    assert await socket.close_code() == entry.NOT_FOUND
    assert await socket.is_silent(0.3)
    await socket.leave()


_WRONG = [
    *("", "nothing", "[]", "{}", '{"watch": 5}', "[" * 5000, "x" * 100_000),
    *('{"from": 0}', '{"log": 1}', '{"log": "1", "from": 0}', '{"log": 1, "from": -1}', '{"log": 1, "from": 1e3}'),
    *('{"log": true, "from": 0}', '{"log": 1, "from": 9999999999999999999}', '{"log": 1, "had": "x"}', '{"leave": -1}'),
]


@pytest.mark.parametrize("message", _WRONG)
async def test_a_message_that_is_not_ours_ends_the_socket(browser: Browser, ada: User, message: str) -> None:
    socket = await sync_to_async(browser)("/ws/live/", ada)
    await socket.connect()
    await socket.hear()
    await socket.say(message)
    assert await socket.close_code() == 1008
    await socket.leave()


async def test_who_loses_access_hears_no_more(
    browser: Browser, ada: User, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "ACCESS_SECONDS", 0.3)
    run = await sync_to_async(make_run)(project, spec=None)
    socket, _ = await watching(browser, ada, f"run:{run.pk}")
    await Member.objects.all().adelete()
    await asyncio.sleep(1)
    await sync_to_async(plan)(run)
    assert await socket.is_silent(timeout=0.5)
    await socket.leave()


async def test_after_an_outage_the_page_is_told_to_look_again(
    browser: Browser, ada: User, project: Project, layer: OwnRedis
) -> None:
    run = await sync_to_async(make_run)(project, spec=None)
    socket, _ = await watching(browser, ada, f"run:{run.pk}")
    layer.stop()
    await sync_to_async(plan)(run)
    await asyncio.sleep(0.3)
    await sync_to_async(layer.start)()
    assert await heard(socket, 1) == {("run", run.pk)}
    await socket.leave()


async def test_a_redis_that_hangs_is_noticed_and_pages_look_by_themselves(layer: OwnRedis) -> None:
    told = asyncio.Event()
    hub().listen("run:1", told.set)
    try:
        await asyncio.wait_for(told.wait(), 60)
        told.clear()
        layer.freeze()
        await asyncio.wait_for(told.wait(), 120)
    finally:
        layer.thaw()
        hub().leave("run:1", told.set)


async def test_an_idle_socket_is_left_alone(layer: OwnRedis, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="server.live.hub")
    told = asyncio.Event()
    hub().listen("run:1", told.set)
    await asyncio.sleep(QUIET_SECONDS + 1)
    hub().leave("run:1", told.set)
    assert caplog.messages == []


def test_a_writer_is_not_held_up_by_a_redis_that_is_gone(layer: OwnRedis, project: Project) -> None:
    layer.stop()
    run = make_run(project)
    begun = time.monotonic()
    finish_run(run)
    assert time.monotonic() - begun < 60  # to try again and again would take longer
    assert run.status == Status.SUCCEEDED


def test_who_is_not_signed_in_cannot_make_us_look_for_what_they_ask(
    project: Project, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        assert page._granted({}, [Subject("run", number) for number in range(100)], range(10)) is None


def test_where_the_session_is_kept_to_tls_so_are_the_sockets(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["ci.example.org"]
    settings.SLIPWAY_URL = "https://elsewhere.example.org"
    settings.CSRF_TRUSTED_ORIGINS = []
    assert entry.is_ours("http://ci.example.org", "ci.example.org")
    settings.SESSION_COOKIE_SECURE = True
    assert not entry.is_ours("http://ci.example.org", "ci.example.org")
    assert entry.is_ours("https://ci.example.org", "ci.example.org")


@pytest.mark.parametrize(
    "text", ["", "run", "run:", "run:x", "run:-1", "run:１", "user:1", "run:1:2", "run:" + "9" * 30, 5, None, ["run:1"]]
)
def test_what_names_nothing_is_no_subject(text: object) -> None:
    assert subjects.parse(text) is None


def test_a_log_belongs_to_the_project_of_its_run_deploy_or_host(project: Project) -> None:
    environment = make_environment(project)
    deploy = begin_deploy(make_deploy(environment))
    host = deploy.hosts.first()
    attempt = Run.objects.get().stages.get(name="build").attempts.get()
    assert host is not None
    for log_id in (attempt.log_id, deploy.log_id, host.log_id):
        assert subjects.project_of_log(log_id) == project
    assert subjects.project_of_log(999_999) is None
    assert subjects.project_of(Subject("deploy", deploy.pk)) == project
