"""From the records of a stage to a container that waits to be let go."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from django.conf import settings
from django.utils.crypto import salted_hmac

from pipelines.errors import UserError
from pipelines.projects.models import Secret
from pipelines.runs import lifecycle, queries
from pipelines.runs.approvals import answers_of
from pipelines.runs.models import Attempt, Run, Stage
from pipelines.spec.model import StageSpec
from runners import artifacts
from runners.containers import commits, environ
from runners.containers.executor import (
    Container,
    ContainerPlan,
    ContainerTaken,
    EngineGone,
    Executor,
    Line,
    Ownership,
)
from runners.containers.registries import access_to
from runners.containers.resources import limits_of
from runners.containers.script import WORKSPACE, archive, files_of

_BLOCK = 256 * 1024
_TRIES = 50
_PAUSE_SECONDS = 0.1


class SecretMissing(UserError):
    """A stage names a secret that it cannot be given: add it to the project, or take the name out of the spec."""


class PrivilegeRefused(UserError):
    """A stage wants to be privileged where no operator has allowed it."""


@dataclass(frozen=True, slots=True)
class Order:
    """All that is decided about an attempt's container before it exists; `plan.seal` is the digest of all of it."""

    plan: ContainerPlan
    files: Mapping[str, bytes]
    run: Run


@dataclass(frozen=True, slots=True)
class Opened:
    """A container with the commit in it, which waits to be let go, and the line to it."""

    container: Container
    line: Line


def order(stage: Stage, number: int, spec: StageSpec, secrets: Mapping[str, str]) -> Order:
    """What the attempt of that number at a stage is to have; the same answer as long as nothing was changed."""
    files = files_of(spec.steps, _ca_bundle())
    plan = _plan(stage, number, spec, secrets)
    return Order(replace(plan, seal=_seal(plan, files, stage.run)), files, stage.run)


def open_container(executor: Executor, order: Order, watch: Callable[[], None], *, is_claimed: bool = True) -> Opened:
    """Create the container, start it and fill it.

    Whoever has claimed the attempt removes what others have made under its name: it was never let go. Who has not
    raises ContainerTaken: it may be the work of whoever has. The commit is made ready while the engine starts the
    container, which takes several times as long.
    """
    commit = commits.begun(order.run)
    container = _created(executor, order.plan, watch) if is_claimed else executor.create(order.plan, watch)
    with ExitStack() as unless_filled:
        line = unless_filled.enter_context(closing(executor.output(container)))
        executor.start(container)
        with commits.awaited(commit, watch).open("rb") as tar:
            executor.put(container, archive(order.files, iter(lambda: tar.read(_BLOCK), b"")))
        watch()
        unless_filled.pop_all()
    return Opened(container, line)


def supply(executor: Executor, container: Container, stage: Stage) -> None:
    """Put in what the stages before it have made: a container that was made ahead gets that when it is their turn."""
    for artifact in artifacts.there(queries.artifacts_for(stage)):
        executor.put(container, artifacts.stream(artifact.storage_name, artifact.digest), WORKSPACE)


def asked_secrets(run: Run) -> dict[str, str]:
    """Name → value, as they are now, of all that the run's stages ask for."""
    specs = run.stages.values_list("spec", flat=True)
    asked = {name for spec in specs for name in spec["secrets"]} if run.trusted else set()
    return dict(Secret.objects.filter(project=run.project, name__in=asked).values_list("name", "value"))


def secrets_of(attempt: Attempt) -> dict[str, str]:
    """Name → value of all that the run's stages ask for: what one was given may reach another's log in an artifact.

    They are kept with the attempt, so that a takeover masks what the first runner gave, whatever was changed meanwhile.
    """
    if attempt.secrets:
        return dict(json.loads(attempt.secrets))
    if found := asked_secrets(attempt.stage.run):
        lifecycle.note_secrets(attempt, found)
    return found


def given(run: Run, spec: StageSpec, secrets: Mapping[str, str]) -> dict[str, str]:
    """What of them the stage itself asked for. Raises SecretMissing."""
    if spec.secrets and not run.trusted:
        raise SecretMissing("this run is not trusted with secrets: its commit comes from outside the project")
    if missing := [name for name in spec.secrets if name not in secrets]:
        raise SecretMissing(f"the project {run.project} has no secret {', '.join(missing)}: an operator can add it")
    return {name: secrets[name] for name in spec.secrets}


def _created(executor: Executor, plan: ContainerPlan, watch: Callable[[], None]) -> Container:
    """One that nobody else has: who has made another may still be at it, and finds it gone."""
    for _ in range(_TRIES):
        with suppress(ContainerTaken):
            return executor.create(plan, watch)
        watch()
        if (found := executor.find(plan.owner)) is not None:
            executor.remove(found)
        else:
            time.sleep(_PAUSE_SECONDS)  # the engine reserves a name some time before it shows what bears it
    raise EngineGone(f"the container engine says that the container of {plan.owner} exists, and shows none")


def _plan(stage: Stage, number: int, spec: StageSpec, secrets: Mapping[str, str]) -> ContainerPlan:
    run = stage.run
    about = environ.Circumstances(
        project=run.project.name,
        run=run.number,
        stage=stage.name,
        attempt=number,
        event=run.event_kind,
        ref=run.ref,
        sha=run.sha,
        url=f"{settings.SLIPWAY_URL}/projects/{run.project.name}/runs/{run.number}/",
        target=run.target,
        before=run.before,
        title=run.title,
        message=run.message,
        author=run.author,
        values=spec.values,
        parameters={**run.parameters, **answers_of(stage)},
    )
    trust = environ.trust_variables() if settings.SLIPWAY_CA_BUNDLE else {}
    return ContainerPlan(
        owner=Ownership(run=run.pk, stage=stage.pk, attempt=number),
        image=spec.image,
        environ=environ.variables(about) | trust | dict(spec.env) | dict(secrets),
        limits=limits_of(spec.resources),
        access=access_to(run, spec.image),
        has_company=bool(spec.services),
        privileged=spec.privileged and _may_be_privileged(run),
    )


def _may_be_privileged(run: Run) -> bool:
    """Raises PrivilegeRefused: who is root on the machine is decided by its operators, and never for foreign code."""
    if not run.trusted:
        raise PrivilegeRefused("`privileged` is not given to a commit from outside the project")
    if not run.project.may_be_privileged:
        raise PrivilegeRefused(
            f"`privileged` gives a stage the whole machine: an operator has to allow it to the project {run.project}"
        )
    return True


def _seal(plan: ContainerPlan, files: Mapping[str, bytes], run: Run) -> str:
    """Keyed, for a digest of what holds short secrets would give them away."""
    digest = salted_hmac("runners.containers.seal", repr(plan), algorithm="sha256")
    for path, content in files.items():
        digest.update(f"\0{path}\0{len(content)}\0".encode() + content)
    digest.update(f"\0{run.project.clone_url}\0{run.sha}\0{run.ref}".encode())
    return digest.hexdigest()


def _ca_bundle() -> bytes | None:
    return Path(settings.SLIPWAY_CA_BUNDLE).read_bytes() if settings.SLIPWAY_CA_BUNDLE else None
