"""One scene for all stories of the session, and a project of its own for each."""

import hashlib
import re
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.lab.ground import ground
from tests.lab.redis_server import OwnRedis
from tests.lab.scene import Scene, scene
from tests.stories.works import Works

_HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The stories take longest and share one scene: all go to one worker, and first."""
    stories = [item for item in items if item.path.is_relative_to(_HERE)]
    for item in stories:
        item.add_marker(pytest.mark.xdist_group("stories"))
    items[:] = stories + [item for item in items if item not in stories]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A story that failed shows what the server wrote meanwhile."""
    report = yield
    works = getattr(item, "funcargs", {}).get("works")
    if report.failed and isinstance(works, Works):
        report.sections.append(("the server's log", _complaints(works)))
    return report


@pytest.fixture(scope="session")
def story_redis() -> Iterator[OwnRedis]:
    """The server's Redis, so that a story can take it away."""
    directory = Path(tempfile.mkdtemp(prefix="slipway-redis-"))
    redis = OwnRedis(directory, "--appendonly", "yes")
    redis.start()
    yield redis
    redis.stop()
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def stage(story_redis: OwnRedis) -> Iterator[Scene]:
    """Code host, cloud, three hosts, chat, and a server with its operator."""
    with ground() as here, scene(here, REDIS_URL=story_redis.url, POLL_SECONDS="2") as opened:
        yield opened


@pytest.fixture
def works(stage: Scene, request: pytest.FixtureRequest, busybox_image: str, python_image: str) -> Works:
    """A new project, named after the test."""
    mark = hashlib.sha256(request.node.name.encode()).hexdigest()[:6]
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_"))[:40].strip("-")
    name = f"{words}-{mark}"
    return Works(stage, name, stage.add_project(name), busybox_image, python_image, len(stage.server.log))


def _complaints(works: Works) -> str:
    """Without the pages that were asked for before they were there; nothing once the scene is gone."""
    if not works.scene.server.state.exists():
        return ""
    lines = works.scene.server.log[works.log_from :].splitlines()
    return "\n".join([line for line in lines if "django.request: Not Found" not in line][-200:])
