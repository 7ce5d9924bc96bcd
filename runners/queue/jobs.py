"""What RQ calls: an id comes in, the story is told, and exceptions become outcomes, here and once.

Every job is only a ring: the row decides whether there is anything to do, so a job that comes twice, late or for
nothing is harmless. The stories are imported where they are told: whoever rings needs neither Docker nor SSH.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from django.core.exceptions import ObjectDoesNotExist
from django.db import InterfaceError, OperationalError, close_old_connections

from pipelines.deploys import lifecycle as deploys
from pipelines.deploys import releases
from pipelines.errors import LostRace, PipelineError, SystemFault
from pipelines.probes import lifecycle as probes_lifecycle
from pipelines.projects.models import Project
from pipelines.runs import lifecycle as runs
from pipelines.runs import receiving
from pipelines.runs.models import Run, Stage
from pipelines.states import leases
from pipelines.states.status import Status
from runners.heartbeat import Heartbeat
from runners.queue.bell import bell
from runners.queue.interruption import Interrupted, interruptible
from runners.queue.owner import me

logger = logging.getLogger(__name__)

# Then nothing is known to be wrong with the work: it is left as it stands, and whoever takes it over goes on.
DATABASE_AWAY = (OperationalError, InterfaceError)


def plan_run(run_id: int) -> None:
    """Plan this run, then every other that waits: one ring is enough for a burst of pushes."""
    waiting: int | None = run_id
    while waiting is not None:
        _perform(_plan, waiting)
        queued = Run.objects.filter(leases.free(), status=Status.QUEUED, pk__gt=waiting)
        waiting = queued.order_by("pk").values_list("pk", flat=True).first()


def release_run(run_id: int) -> None:
    """Cut the release of a green run and ask for its automatic deploys."""
    _perform(lambda row_id: releases.release(Run.objects.select_related("project").get(pk=row_id)), run_id)


def run_stage(stage_id: int) -> None:
    """Perform a stage, or take it over from a dead worker; then the next of the same run that nobody has begun."""
    following: int | None = stage_id
    tried: set[int] = set()
    while following is not None and following not in tried:
        tried.add(following)
        _perform(_stage, following)
        following = _next_stage(following)


def run_deploy(deploy_id: int) -> None:
    _perform(_deploy, deploy_id)


def answer_probe(probe_id: int) -> None:
    _perform(_probe, probe_id)


def poll_project(project_id: int) -> None:
    """Ask the code host for its refs and start what no webhook announced."""
    _perform(_poll, project_id)


def _perform(story: Callable[[int], object], row_id: int) -> None:
    close_old_connections()
    try:
        with interruptible():
            story(row_id)
    except (LostRace, ObjectDoesNotExist) as nothing:  # done by another, or deleted since it was rung for
        logger.debug("nothing to do: %s", nothing)
    except Interrupted:
        bell.drain()
        raise
    except Exception:
        logger.exception("%s %s broke", getattr(story, "__name__", "job"), row_id)


def _plan(run_id: int) -> None:
    from runners import planning

    run = runs.claim_planning(run_id, me())
    with (
        _owned(
            lambda why: runs.reject(run, Status.ERRORED, f"it could not be planned: {why}"),
            partial(runs.let_go_planning, run),
        ),
        Heartbeat(partial(runs.renew_planning, run), lease_seconds=runs.LEASE_SECONDS),
    ):
        planning.plan(run)


def _stage(stage_id: int) -> None:
    from runners.containers.stage import run as perform

    claim = runs.claim_stage(stage_id, me())
    errored = partial(runs.finish_attempt, claim.attempt, Status.ERRORED)
    if claim.attempt.fence > runs.MAX_FENCE:
        errored(reason="its runners died again and again; see their logs")
        return
    with _owned(lambda why: errored(reason=why), partial(runs.let_go, claim.attempt)):
        perform(claim)


def _next_stage(stage_id: int) -> int | None:
    siblings = Stage.objects.filter(run__stages=stage_id, status=Status.QUEUED)
    return siblings.order_by("position").values_list("pk", flat=True).first()


def _deploy(deploy_id: int) -> None:
    from runners.hosts.deploy import run as perform

    claim = deploys.claim_deploy(deploy_id, me())
    errored = partial(deploys.finish_deploy, claim.deploy, Status.ERRORED)
    if claim.deploy.takeovers > deploys.MAX_TAKEOVERS:
        errored("its workers died again and again; see their logs")
        return
    with _owned(errored, partial(deploys.let_go, claim.deploy)):
        perform(claim)


@contextmanager
def _owned(end: Callable[[str], object], let_go: Callable[[], None]) -> Iterator[None]:
    """Work under a lease of ours: whatever breaks is its errored end, in words; when we are told to stop, or lose the
    lease or the database, it is left to whoever takes it over."""
    try:
        yield
    except (LostRace, *DATABASE_AWAY):
        raise
    except Interrupted:
        let_go()
        raise
    except Exception as error:
        logger.exception("the work broke")
        end(_told(error))


def _probe(probe_id: int) -> None:
    from runners import probes

    probe = probes_lifecycle.claim(probe_id, me())
    try:
        probes_lifecycle.answer(probe, probes.answer(probe))
    except (LostRace, *DATABASE_AWAY):
        raise
    except PipelineError as error:
        probes_lifecycle.refuse(probe, error)
    except Exception as error:
        logger.exception("%s broke", probe)
        probes_lifecycle.refuse(probe, SystemFault(_told(error)))


def _poll(project_id: int) -> None:
    from runners import planning

    project = Project.objects.get(pk=project_id)
    try:
        refs = planning.mirror_of(project).refs()
    except PipelineError as error:
        logger.warning("%s could not be asked for its refs and will be asked again: %s", project, error)
        return
    receiving.found_refs(project, refs)


def _told(error: Exception) -> str:
    """The reason on the page: our own errors speak for themselves, others get their kind as well."""
    return str(error) if isinstance(error, PipelineError) else f"{type(error).__name__}: {error}"
