"""The clock: chores each in their time, and none that breaks stops another."""

import threading
import time
from types import SimpleNamespace

import pytest
import redis
from pytest_django import Settings

from pipelines.audit.models import Act
from pipelines.audit.record import record
from pipelines.logs import store
from pipelines.logs.models import Chunk, Log
from pipelines.runs.models import Poll
from runners.queue import clock
from runners.queue.clock import Chore
from runners.queue.queues import Line
from tests.factories import make_project, make_run
from tests.lab.redis_server import OwnRedis
from tests.runners.queue.waiting import until, waiting


def test_a_chore_is_done_when_it_is_due_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = [10.0, 11.0, 11.9, 12.0, 13.9, 15.0, 16.9, 17.0]
    monkeypatch.setattr(clock, "time", SimpleNamespace(monotonic=lambda: moments[0]))
    done: list[float] = []
    chore = Chore(2, lambda: done.append(moments[0]))
    while moments:
        clock._do_when_due(chore)
        moments.pop(0)
    assert done == [10.0, 12.0, 15.0, 17.0]


@pytest.mark.parametrize("error", [redis.ConnectionError, OSError, ZeroDivisionError], ids=lambda error: error.__name__)
def test_a_chore_that_breaks_is_tried_again_and_stops_nobody(error: type[Exception]) -> None:
    tries: list[int] = []

    def breaks() -> None:
        tries.append(1)
        raise error("no")

    chore = Chore(0.0, breaks)
    clock._do_when_due(chore)
    clock._do_when_due(chore)
    assert len(tries) == 2


@pytest.mark.django_db
def test_a_log_that_cannot_be_compressed_keeps_no_other_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "ARCHIVE_AT_ONCE", 2)
    made = [store.open_log() for _ in range(5)]
    for log in made:
        store.append(log, b"text\n", 5)
        store.close(log)
    Chunk.objects.filter(log__in=made[:3]).delete()
    archivist = clock.Archivist()
    for _ in range(4):
        archivist.archive_some()
    assert [log.pk for log in Log.objects.filter(archive="").order_by("pk")] == [log.pk for log in made[:3]]


@pytest.mark.django_db(transaction=True)
def test_a_running_clock_rings_seals_archives_and_polls(connection: redis.Redis, settings: Settings) -> None:
    settings.SLIPWAY_POLL_SECONDS = 60
    projects = [make_project() for _ in range(3)]
    run = make_run(projects[0], spec=None)
    record("ada (#1)", "did", "a thing")
    log = store.open_log()
    store.append(log, b"text\n", 5)
    store.close(log)
    stop = threading.Event()
    ticking = threading.Thread(target=clock.run, args=(stop,))
    ticking.start()
    try:
        assert until(lambda: ("plan_run", run.pk) in waiting(connection, Line.PLAN))
        assert until(lambda: Poll.objects.filter(project__in=projects).exclude(error="").count() == 3)
        assert until(lambda: not Act.objects.filter(place=None).exists())
        assert until(lambda: Log.objects.get(pk=log.pk).archive != "")
    finally:
        stop.set()
        ticking.join(60)
    assert not ticking.is_alive()


@pytest.mark.django_db(transaction=True)
def test_without_redis_the_clock_goes_on_and_rings_when_it_is_back(own_redis: OwnRedis) -> None:
    own_redis.stop()
    run = make_run(spec=None)
    stop = threading.Event()
    ticking = threading.Thread(target=clock.run, args=(stop,))
    ticking.start()
    try:
        time.sleep(1.5)
        assert ticking.is_alive()
        own_redis.start()
        client = own_redis.client()
        assert until(lambda: ("plan_run", run.pk) in waiting(client, Line.PLAN))
    finally:
        stop.set()
        ticking.join(60)
