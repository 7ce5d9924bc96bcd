"""A push is built, tested and live; also when nobody announced it, or when it was announced in bad moments."""

import time
from collections.abc import Callable, Iterator

import pytest

from tests.lab import payloads, sights
from tests.lab.patience import until
from tests.lab.redis_server import OwnRedis
from tests.stories.works import Works

SPEC = "image: IMAGE\nstages:\n  test: {steps: [echo tested]}\n"


def test_a_push_is_built_tested_and_live_on_every_host(works: Works) -> None:
    works.scene.add_production(works.name, configuration="SHOP_GREETING=good day")
    works.push_good("1.0")
    works.ends(1, "succeeded")
    page = works.deploy_ends(1, "succeeded")
    assert "3 of 3 hosts done" in page.words
    assert {sights.served(host).value["greeting"] for host in works.scene.fleet.hosts} == {"good day"}
    assert works.served() == {"1.0"}
    assert works.digests() == {works.artifact_digest(1, "package")}
    assert "test_an_unknown_page_is_not_found" in works.log(1, "test")
    assert "production runs release 1" in works.scene.operator.environment(works.name, "production").title
    assert "live" in works.scene.operator.project(works.name).words


def test_a_push_that_no_webhook_announced_is_found_once(works: Works) -> None:
    first = works.push(SPEC, "Announced")
    works.ends(1, "succeeded")
    _await_tip(works, first.after)
    webhook, works.repository.webhook = works.repository.webhook, None
    lost = works.push(SPEC, "Not announced")
    until("the run that nobody announced", lambda: works.has_run(2))
    assert "no webhook had announced it" in works.events()
    works.repository.webhook = webhook
    late = works.repository.deliver("push", payloads.push(works.repository.origin, lost))
    assert '"outcome": "known"' in late.body
    works.ends(2, "succeeded")
    works.repository.webhook = None
    works.push(SPEC, "A later one", branch="later")
    until("the run after it", lambda: works.has_run(3))  # so the code host has been asked again since
    assert lost.after[:7] not in works.page(3).words
    assert not works.has_run(4)


def test_a_delivery_that_comes_twice_runs_once(works: Works) -> None:
    works.push(SPEC)
    first = works.repository.deliveries[0]
    movement = payloads.Movement("refs/heads/main", payloads.ZERO, works.repository.head("refs/heads/main"))
    again = works.repository.deliver("push", payloads.push(works.repository.origin, movement), first.delivery_id)
    other = works.repository.deliver("push", payloads.push(works.repository.origin, movement))
    assert (first.status, again.status, other.status) == (202, 200, 202)
    works.ends(1, "succeeded")
    assert not works.has_run(2)


@pytest.fixture
def redis(story_redis: OwnRedis) -> Iterator[OwnRedis]:
    """The server's Redis, which comes back whatever the test did to it."""
    yield story_redis
    story_redis.stop()
    story_redis.start()


@pytest.mark.parametrize(
    ("take_away", "bring_back"),
    [(OwnRedis.stop, OwnRedis.start), (OwnRedis.freeze, OwnRedis.thaw)],
    ids=["gone", "frozen"],
)
def test_a_webhook_needs_no_redis_and_its_run_starts_when_redis_is_back(
    works: Works, redis: OwnRedis, take_away: Callable[[OwnRedis], None], bring_back: Callable[[OwnRedis], None]
) -> None:
    take_away(redis)
    began = time.monotonic()
    works.push(SPEC)
    took_seconds = time.monotonic() - began
    assert works.repository.deliveries[0].status == 202
    assert took_seconds < 60  # a client that waits for Redis takes minutes
    assert works.page(1).title.startswith("queued")
    bring_back(redis)
    works.ends(1, "succeeded")


def _await_tip(works: Works, sha: str) -> None:
    """Until the clock has noted where the branch stands."""
    page = f"/admin/runs/tip/?q={sha}"
    until("the clock's first look", lambda: sha in works.scene.operator.browser.open(page).words)
