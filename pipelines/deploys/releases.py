"""Number and freeze what a successful run produced; quarantine what turned out bad."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from pipelines.audit.record import record
from pipelines.deploys import queue, rules
from pipelines.deploys.models import Deploy, Environment, Release
from pipelines.deploys.requests import insert
from pipelines.deploys.settling import tell
from pipelines.errors import LostRace
from pipelines.runs.models import Artifact, Run, Stage
from pipelines.runs.queries import artifacts_of
from pipelines.runs.receiving import next_number
from pipelines.spec.installation import DeploySpec, ReleaseKind
from pipelines.states.status import Status

# How a stage that pushes an image calls what it records: image:registry.example.org/shop:1.2
IMAGE = "image:"
# So long after its end a green run without a release is looked at again: one that lacks what it ships gets none.
WINDOW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Cargo:
    """What is shipped: an archive's artifact; an image, `name@sha256:…`, with the row that its digest is from; or
    nothing, when a release is commands alone."""

    artifact: Artifact | None = None
    image: str = ""


def release(run: Run) -> Release | None:
    """Cut the run's release and ask for its automatic deploys, once, in one transaction.

    When a later run of the same ref was quicker, its release stays where it is: the older one waits for a person.
    None for a run that is not deployable: not green, no deploy section, or without what the section ships.
    """
    if run.status != Status.SUCCEEDED or run.deploy_spec is None:
        return None
    try:
        with transaction.atomic():
            made = _cut(run)
    except IntegrityError:  # another process has just cut it: now it is seen
        with transaction.atomic():
            made = _cut(run)
    queue.settle_all(run.project)
    return made


def uncut() -> QuerySet[Run]:
    """Green runs of the last WINDOW that could have a release and have none."""
    green = Run.objects.filter(status=Status.SUCCEEDED, finished_at__gte=timezone.now() - WINDOW, release=None)
    return green.filter(deploy_spec__isnull=False)


def quarantine(bad: Release, because: str) -> None:
    """No rule deploys it again, and what waits to deploy it is cancelled. In the caller's transaction."""
    Release.objects.filter(pk=bad.pk, quarantined_at=None).update(
        quarantined_at=timezone.now(), quarantined_because=because[:300]
    )
    unbegun = Deploy.objects.filter(release=bad, started_at=None, finished_at=None)
    for waiting in unbegun.select_related("log"):
        with suppress(LostRace):  # a worker has begun it in this moment; the one who asked sees it run
            queue.drop(waiting, f"release {bad.number} is quarantined: {because}")


def lift(held: Release, actor: str, why: str) -> None:
    """A person lets a quarantined release be deployed again; no rule does by itself. Raises LostRace when it is not
    quarantined, NoReason."""
    queue.need(why, "Who comes next will ask why it is good again: give a reason")
    with transaction.atomic():
        because = Release.objects.values_list("quarantined_because", flat=True).get(pk=held.pk)
        rows = Release.objects.filter(pk=held.pk, quarantined_at__isnull=False)
        if rows.update(quarantined_at=None, quarantined_because="") != 1:
            raise LostRace(f"release {held.number} is not quarantined")
        record(actor, "lifted the quarantine", str(held), reason=why, because=because)
        tell(Environment.objects.filter(project=held.project_id))


def _cut(run: Run) -> Release | None:
    existing = Release.objects.filter(run=run).first()
    if existing is not None:
        return existing
    cargo = cargo_of(run)
    if cargo is None:
        return None
    number = next_number(run.project, "next_release_number")  # until we commit, nobody else cuts one of the project
    # A rerun stands where its first run stood: an old commit that is green at last is no newer than it was.
    newer = Release.objects.filter(project=run.project, ref=run.ref, run__since__gt=run.since)
    made = Release.objects.create(
        project=run.project,
        number=number,
        run=run,
        ref=run.ref,
        sha=run.sha,
        title=run.title,
        author=run.author,
        spec_digest=run.spec_digest,
        deploy_spec=run.deploy_spec,
        artifact=cargo.artifact,
        image=cargo.image,
        overtaken_by=newer.order_by("run__since", "run__number").last(),
    )
    if made.overtaken_by is None and not _hold_back(made):
        _ask_by_rule(made)
    return made


def _hold_back(made: Release) -> bool:
    """A commit that turned out bad does not come back by being built or tagged anew: a person lifts it first."""
    bad = Release.objects.filter(project=made.project, sha=made.sha, quarantined_at__isnull=False)
    known = bad.order_by("number").first()
    if known is None:
        return False
    because = f"the commit of release {known.number}, which is quarantined: {known.quarantined_because}"
    made.quarantined_at, made.quarantined_because = timezone.now(), because[:300]
    made.save(update_fields=["quarantined_at", "quarantined_because"])
    return True


def _ask_by_rule(made: Release) -> None:
    takers = Environment.objects.filter(project=made.project, automatic=True)
    for environment in takers.select_related("project", "current"):
        if rules.takes(environment.ref_pattern, made.ref):
            insert(environment, made, automatic=True, why="its rule takes every green release of this ref")


def cargo_of(run: Run) -> Cargo | None:
    """What the deploy section ships, from a stage that succeeded, here or where it was taken over from; None if it is
    not there."""
    if run.deploy_spec is None:
        return None
    spec = DeploySpec.from_json(run.deploy_spec)
    if spec.kind is ReleaseKind.COMMANDS:
        return Cargo()
    made = artifacts_of(Stage.objects.filter(run=run)).order_by("-pk")
    if spec.kind is ReleaseKind.FILES:
        path = spec.artifact.rstrip("/")
        artifact = next((artifact for artifact in made if artifact.path.rstrip("/") == path), None)
        return Cargo(artifact) if artifact else None
    row = made.filter(path=f"{IMAGE}{spec.image}"[:255]).first()
    return Cargo(row, f"{untagged(spec.image)}@sha256:{row.digest}") if row else None


def untagged(image: str) -> str:
    """The name without its tag; a colon before a slash is the registry's port."""
    name, _, tag = image.rpartition(":")
    return image if not name or "/" in tag else name
