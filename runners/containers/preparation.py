"""From the records of an attempt to a container that is ready to start."""

import json
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings

from pipelines.errors import UserError
from pipelines.projects.models import Secret
from pipelines.runs import lifecycle, queries
from pipelines.runs.models import Attempt, Run
from pipelines.spec.model import StageSpec
from runners import artifacts
from runners.containers import environ
from runners.containers.executor import Container, ContainerPlan, Executor, Limits, Ownership
from runners.containers.listening import Watch
from runners.containers.script import WORKSPACE, archive, files_of
from runners.planning import mirror_of

_BLOCK = 256 * 1024


class SecretMissing(UserError):
    """A stage names a secret that it cannot be given: add it to the project, or take the name out of the spec."""


def prepare(
    executor: Executor, attempt: Attempt, spec: StageSpec, secrets: Mapping[str, str], watch: Watch
) -> Container:
    """Create the attempt's container and fill it. Whatever a dead runner had done of this is done again, harmlessly."""
    workspace = _workspace(attempt.stage.run)
    container = executor.create(_plan(attempt, spec, secrets), watch.check)
    lifecycle.note_container(attempt, container.id)
    files = files_of([step.run for step in spec.steps], _ca_bundle())
    with workspace.open("rb") as commit:
        executor.put(container, archive(files, iter(lambda: commit.read(_BLOCK), b"")))
    for artifact in queries.artifacts_for(attempt.stage):
        executor.put(container, artifacts.stream(artifact.storage_name, artifact.digest), WORKSPACE)
    watch.check()
    return container


def secrets_of(attempt: Attempt) -> dict[str, str]:
    """Name → value of all that the run's stages ask for: what one was given may reach another's log in an artifact.

    They are kept with the attempt, so that a takeover masks what the first runner gave, whatever was changed meanwhile.
    """
    if attempt.secrets:
        return dict(json.loads(attempt.secrets))
    run = attempt.stage.run
    specs = run.stages.values_list("spec", flat=True)
    asked = {name for spec in specs for name in spec["secrets"]} if run.trusted else set()
    found = dict(Secret.objects.filter(project=run.project, name__in=asked).values_list("name", "value"))
    if found:
        lifecycle.note_secrets(attempt, found)
    return found


def given(run: Run, spec: StageSpec, secrets: Mapping[str, str]) -> dict[str, str]:
    """What of them the stage itself asked for. Raises SecretMissing."""
    if spec.secrets and not run.trusted:
        raise SecretMissing("this run is not trusted with secrets: its commit comes from outside the project")
    if missing := [name for name in spec.secrets if name not in secrets]:
        raise SecretMissing(f"the project {run.project} has no secret {', '.join(missing)}: an operator can add it")
    return {name: secrets[name] for name in spec.secrets}


def _plan(attempt: Attempt, spec: StageSpec, secrets: Mapping[str, str]) -> ContainerPlan:
    run = attempt.stage.run
    about = environ.Circumstances(
        project=run.project.name,
        run=run.number,
        stage=attempt.stage.name,
        attempt=attempt.number,
        event=run.event_kind,
        ref=run.ref,
        sha=run.sha,
    )
    trust = environ.trust_variables() if settings.SLIPWAY_CA_BUNDLE else {}
    return ContainerPlan(
        owner=Ownership(run=run.pk, stage=attempt.stage.pk, attempt=attempt.pk, fence=attempt.fence),
        image=spec.image,
        environ=environ.variables(about) | trust | dict(spec.env) | dict(secrets),
        limits=Limits(
            memory_bytes=settings.SLIPWAY_STAGE_MEMORY_MB * 1024**2,
            cpus=settings.SLIPWAY_STAGE_CPUS,
            pids=settings.SLIPWAY_STAGE_PIDS,
        ),
    )


def _workspace(run: Run) -> Path:
    """The commit as a tar on this machine; the runner that planned the run may have been on another."""
    mirror = mirror_of(run.project)
    if (made := mirror.workspace_at_hand(run.sha, run.ref)) is not None:
        return made
    mirror.fetch(run.ref, run.sha, run=str(run.pk))
    return mirror.workspace(run.sha, run.ref)


def _ca_bundle() -> bytes | None:
    return Path(settings.SLIPWAY_CA_BUNDLE).read_bytes() if settings.SLIPWAY_CA_BUNDLE else None
