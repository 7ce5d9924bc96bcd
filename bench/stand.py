"""What the benchmarks stand on: a server as people run it, and its records read from here."""

import contextlib
import os
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tests.lab import payloads
from tests.lab.codehost import CodeHost, Repository, code_host
from tests.lab.ground import Ground, ground
from tests.lab.images import image
from tests.lab.server import SERVER_LABEL, Server, server
from tests.lab.webhooks import Webhook, deliver

if TYPE_CHECKING:
    from pipelines.runs.models import Run

T = TypeVar("T")

BRANCH = "refs/heads/main"
PROJECT = "bench"
SECRET = uuid.uuid4().hex
_LOOK_SECONDS = 0.004
_TURNS_MIN = 3
_WARM_UP_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Stand:
    """A server that runs, a repository that it builds, an image that is there."""

    here: Ground
    host: CodeHost
    server: Server
    repository: Repository
    image: str

    @property
    def webhook(self) -> Webhook:
        return Webhook(f"{self.server.url}/hooks/github/{PROJECT}", SECRET)


@contextlib.contextmanager
def stand(**settings: str) -> Iterator[Stand]:
    """Start a server with SLIPWAY_* `settings` (without the prefix), a project and its repository; all goes at the end.

    From here on the records of that server can be read in this process. Once a process.
    """
    with (
        tempfile.TemporaryDirectory(prefix="slipway-bench-") as directory,
        ground() as here,
        code_host() as host,
        server(here, Path(directory, "state"), **settings) as running,
    ):
        tag = image("busybox", here.engine)
        _open_records(running)
        repository = host.create(f"bench/{PROJECT}")
        _add_project(repository)
        yield Stand(here, host, running, repository, tag)


def _open_records(running: Server) -> None:
    import django

    os.environ.update(
        dict(running.settings) | {"DJANGO_SETTINGS_MODULE": "server.settings", "SLIPWAY_LOG_LEVEL": "WARNING"}
    )
    django.setup()


def _add_project(repository: Repository) -> None:
    from pipelines.projects.models import Project

    Project.objects.create(name=PROJECT, clone_url=str(repository.bare), webhook_secret=SECRET)


def warm_up(here: Stand) -> None:
    """Wait until the server has built something: its workers start after its pages."""
    spec = f"image: {here.image}\nstages:\n  first: {{steps: [echo first]}}\n"
    movement = here.repository.push({".slipway.yml": spec}, "warm up")
    deliver(here.webhook, "push", payloads.push(here.repository.origin, movement))
    verdict_of(movement.after, _WARM_UP_SECONDS)


def turns(at_most: int, seconds: float) -> Iterator[int]:
    """0, 1, 2 …, as long as `seconds` have not passed, but three at least: a busy machine measures fewer pairs."""
    began = time.monotonic()
    for number in range(at_most):
        if number >= _TURNS_MIN and time.monotonic() - began > seconds:
            return
        yield number


def verdict_of(sha: str, seconds: float) -> "Run":
    """The run of a commit when it has its verdict; TimeoutError when it has none after so long."""
    from pipelines.runs.models import Run

    return until(lambda: Run.objects.filter(sha=sha).exclude(finished_at=None).first(), seconds)


def quiet(here: Stand) -> None:
    """Wait until the server has cleared away what its stages had: the next measurement does not pay for it."""
    own: dict[str, str | list[str] | bool] = {"label": f"{SERVER_LABEL}={here.here.name}"}
    until(lambda: not here.here.engine.containers.list(all=True, filters=own, ignore_removed=True) or None, 30)


def until(look: Callable[[], T | None], seconds: float) -> T:
    """What `look` finds, looking again and again; TimeoutError when it finds nothing for so long."""
    give_up_at = time.monotonic() + seconds
    while (found := look()) is None:
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"nothing came of it within {seconds:g} seconds")
        time.sleep(_LOOK_SECONDS)
    return found
