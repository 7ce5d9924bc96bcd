"""What these tests ask and tell a server's records; every function runs in the process of `Records`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from pipelines.deploys.models import Credential, Deploy, Environment, HostDeploy, HostKeyPolicy, Release
from pipelines.logs import store
from pipelines.projects.models import Project, Secret
from pipelines.runs import lifecycle
from pipelines.runs.models import Attempt, Event, Run
from tests.faults.work import SECRET, SECRET_NAME

PROJECT = "shop"


@dataclass(frozen=True, slots=True)
class AttemptSeen:
    """An attempt of the stage `work`, with its whole log."""

    id: int
    stage: int
    number: int
    status: str
    exit_code: int | None
    container: str
    owner: str
    fence: int
    log: bytes
    artifacts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeploySeen:
    """A deploy with its own log and its hosts': name → (status, log)."""

    id: int
    kind: str
    status: str
    reason: str
    release: int
    fence: int
    finished_at: datetime | None
    log: bytes
    hosts: dict[str, tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class RunSeen:
    """A run, what it attempted, and the deploys of its release."""

    id: int
    title: str
    ref: str
    sha: str
    status: str
    reason: str
    created_at: datetime
    finished_at: datetime | None
    attempts: tuple[AttemptSeen, ...]
    release: int | None
    overtaken_by: str  # title of the release of a later push to the same ref that was cut before; empty if none
    deploys: tuple[DeploySeen, ...]


def make_project(clone_url: str, webhook_secret: str, private_key: str) -> None:
    project = Project.objects.create(name=PROJECT, clone_url=clone_url, webhook_secret=webhook_secret)
    Secret.objects.create(project=project, name=SECRET_NAME, value=SECRET)
    Credential.objects.create(name="key", private_key=private_key)


def make_environments(slugs: Sequence[str], addresses: Sequence[str], port: int) -> None:
    """Environments that take every green release of the branch of their name."""
    hosts = [{"name": f"web-{place}", "address": address} for place, address in enumerate(addresses, 1)]
    for slug in slugs:
        Environment.objects.create(
            project=Project.objects.get(),
            name=slug,
            ref_pattern=f"refs/heads/{slug}",
            automatic=True,
            inventory={"hosts": hosts},
            ssh_user="root",
            ssh_port=port,
            credential=Credential.objects.get(),
            host_key_policy=HostKeyPolicy.FIRST_USE,
        )


def unfinished() -> list[str]:
    """What is still to come: runs, green ones whose release is not cut yet, and deploys."""
    uncut = Run.objects.filter(status="succeeded", deploy_spec__isnull=False, release=None)
    waiting = [Run.objects.filter(finished_at=None), uncut, Deploy.objects.filter(finished_at=None)]
    return [f"{row} {row.status}" for rows in waiting for row in rows]


def runs() -> list[RunSeen]:
    """All runs, oldest first."""
    return [_run(run) for run in Run.objects.order_by("pk")]


def performer_of(title: str) -> str:
    """Who owns the running attempt of the run with this title; empty when none runs."""
    running = Attempt.objects.filter(stage__run__title=title, status="running")
    return running.values_list("owner", flat=True).first() or ""


def deployer_of(title: str) -> str:
    """Who owns the running deploy of the release with this title; empty when none runs."""
    running = Deploy.objects.filter(release__title=title, status="running")
    return running.values_list("owner", flat=True).first() or ""


def has_begun_to_migrate(title: str) -> bool:
    """Whether a host of the release's deploy has printed something of its migration."""
    rows = HostDeploy.objects.select_related("log").filter(deploy__release__title=title)
    return any(b"\nmigrating 1\n" in b"".join(store.read(row.log)) for row in rows)


def log_of(title: str) -> bytes:
    """What is stored so far of the log of the run's newest attempt."""
    attempt = Attempt.objects.select_related("log").filter(stage__run__title=title).order_by("pk").last()
    return b"" if attempt is None else b"".join(store.read(attempt.log))


def statuses(title: str) -> list[str]:
    """The statuses of the runs with this title."""
    return list(Run.objects.filter(title=title).values_list("status", flat=True))


def redis_url() -> str:
    return str(settings.SLIPWAY_REDIS_URL)


def cancel(title: str) -> None:
    """As the button on the page of the run."""
    lifecycle.cancel(Run.objects.get(title=title), "ada (#1)")


def deliveries() -> set[str]:
    """The ids of the deliveries that were stored."""
    return {str(name) for name in Event.objects.exclude(delivery_id=None).values_list("delivery_id", flat=True)}


def current_releases() -> dict[str, int]:
    """Environment → the release that runs there."""
    live = Environment.objects.exclude(current=None).select_related("current")
    return {place.name: place.current.number for place in live if place.current}


def broken_logs() -> list[int]:
    return store.doubled_or_missing()


def _run(run: Run) -> RunSeen:
    release = Release.objects.select_related("overtaken_by").filter(run=run).first()
    works = Attempt.objects.filter(stage__run=run, stage__name="work")
    attempts = works.select_related("log").prefetch_related("artifacts").order_by("pk")
    deploys = Deploy.objects.filter(release__run=run).select_related("release", "log").order_by("pk")
    return RunSeen(
        run.pk,
        run.title,
        run.ref,
        run.sha,
        run.status,
        run.reason,
        run.created_at,
        run.finished_at,
        tuple(map(_attempt, attempts)),
        release.number if release else None,
        release.overtaken_by.title if release and release.overtaken_by else "",
        tuple(map(_deploy, deploys)),
    )


def _attempt(attempt: Attempt) -> AttemptSeen:
    kept = tuple(sorted(artifact.path for artifact in attempt.artifacts.all()))
    text = b"".join(store.read(attempt.log))
    return AttemptSeen(
        attempt.pk,
        attempt.stage_id,
        attempt.number,
        attempt.status,
        attempt.exit_code,
        attempt.container,
        attempt.owner,
        attempt.fence,
        text,
        kept,
    )


def _deploy(deploy: Deploy) -> DeploySeen:
    hosts = deploy.hosts.select_related("host", "log")
    return DeploySeen(
        deploy.pk,
        deploy.kind,
        deploy.status,
        deploy.reason,
        deploy.release.number,
        deploy.fence,
        deploy.finished_at,
        b"".join(store.read(deploy.log)),
        {row.host.name: (row.status, b"".join(store.read(row.log))) for row in hosts},
    )
