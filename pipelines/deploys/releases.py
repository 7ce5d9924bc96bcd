"""Number and freeze what a successful run produced; quarantine what turned out bad."""

from contextlib import suppress

from django.db import IntegrityError, transaction
from django.utils import timezone

from pipelines.deploys import rules
from pipelines.deploys.models import Deploy, Environment, Release
from pipelines.deploys.requests import insert
from pipelines.errors import LostRace
from pipelines.logs import store as logs
from pipelines.runs.models import Artifact, Run, Stage
from pipelines.runs.queries import artifacts_of
from pipelines.runs.receiving import next_number
from pipelines.states.status import Status
from pipelines.states.transitions import transition as move


def release(run: Run) -> Release | None:
    """Cut the run's release and ask for its automatic deploys, once, in one transaction.

    When a later run of the same ref was quicker, its release stays where it is: the older one waits for a person.
    None for a run that is not deployable: not green, no deploy section, or without the artifact that the section names.
    """
    if run.status != Status.SUCCEEDED or run.deploy_spec is None:
        return None
    try:
        with transaction.atomic():
            return _cut(run)
    except IntegrityError:  # another process has just cut it: now it is seen
        with transaction.atomic():
            return _cut(run)


def quarantine(bad: Release, because: str) -> None:
    """No rule deploys it again, and what waits to deploy it is cancelled. In the caller's transaction."""
    Release.objects.filter(pk=bad.pk, quarantined_at=None).update(
        quarantined_at=timezone.now(), quarantined_because=because[:300]
    )
    unbegun = Deploy.objects.filter(release=bad, status__in=[Status.QUEUED, Status.PENDING, Status.BLOCKED])
    for waiting in unbegun.select_related("log"):
        with suppress(LostRace):  # a worker has begun it in this moment; the one who asked sees it run
            move(waiting, Status.CANCELLED, reason=f"release {bad.number} is quarantined: {because}")
            logs.close(waiting.log)


def _cut(run: Run) -> Release | None:
    existing = Release.objects.filter(run=run).first()
    if existing is not None:
        return existing
    artifact = deployed_artifact(run)
    if artifact is None:
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
        artifact=artifact,
        overtaken_by=newer.order_by("run__since", "run__number").last(),
    )
    if made.overtaken_by is None:
        _ask_by_rule(made)
    return made


def _ask_by_rule(made: Release) -> None:
    takers = Environment.objects.filter(project=made.project, automatic=True)
    for environment in takers.select_related("project", "current"):
        if rules.takes(environment.ref_pattern, made.ref):
            insert(environment, made, automatic=True, why="its rule takes every green release of this ref")


def deployed_artifact(run: Run) -> Artifact | None:
    """What the deploy section ships: the artifact of that path from a stage that succeeded, here or where it was taken
    over from."""
    path = str((run.deploy_spec or {}).get("artifact", "")).rstrip("/")
    made = artifacts_of(Stage.objects.filter(run=run))
    return next((artifact for artifact in made.order_by("-pk") if artifact.path.rstrip("/") == path), None)
