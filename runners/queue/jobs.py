"""What RQ calls: an id comes in, the story is told, and exceptions become outcomes, here and once.

Every job is only a ring: the rows decide whether there is anything to do, so a job that comes twice, late or for
nothing is harmless. Plans and stages are taken in the order of the rows, not in that of the rings. The stories are
imported where they are told: whoever rings needs neither Docker nor SSH.
"""

import logging
import time
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db import close_old_connections
from django.db.models import QuerySet

from pipelines.deploys import inspections, releases
from pipelines.deploys import lifecycle as deploys
from pipelines.deploys.requests import replaces_machines
from pipelines.errors import LostRace, PipelineError, SystemFault, told
from pipelines.probes import lifecycle as probes_lifecycle
from pipelines.probes.models import Probe
from pipelines.runs import lifecycle as runs
from pipelines.runs import turns
from pipelines.runs.models import Attempt, Run, Stage
from pipelines.states import leases
from pipelines.states.leases import DATABASE_AWAY
from pipelines.states.models import Leased
from pipelines.states.status import Status
from runners.containers import waiting
from runners.heartbeat import Heartbeat
from runners.queue.bell import bell
from runners.queue.interruption import Interrupted, interruptible
from runners.queue.owner import labels, me
from runners.queue.presence import presence
from runners.queue.queues import Line

logger = logging.getLogger(__name__)

# So long a job goes on with what waits: no longer than a release or a question of a page may wait for a planner, and
# little of the time after which RQ takes a job for stuck. The reconciler rings for the rest.
PLANNING_ON_SECONDS = 2.0
STAGES_ON_SECONDS = 600.0


def plan_run(_run_id: int) -> None:
    """Plan what waits longest, which need not be the run that was rung for, and go on: few rings do for a burst."""
    _take_turns(_plan, _next_run, PLANNING_ON_SECONDS)


def release_run(run_id: int) -> None:
    """Cut the release of a green run and ask for its automatic deploys."""
    _perform(lambda row_id: releases.release(Run.objects.select_related("project").get(pk=row_id)), run_id)


def run_stage(_stage_id: int) -> None:
    """Take over a stage whose worker has died, or perform the one whose run has its turn, and go on."""
    from runners.containers.clearing import clearing

    clearing.quiet(False)
    try:
        _take_turns(_stage, _next_stage, STAGES_ON_SECONDS)
    finally:
        _leave_to_others()
        clearing.quiet(True)


def run_deploy(deploy_id: int) -> None:
    _perform(_deploy, deploy_id)


def answer_probe(probe_id: int) -> None:
    _perform(_probe, probe_id)


def inspect(inspection_id: int) -> None:
    """Compare an environment's hosts with the record, if that is due."""
    _perform(_inspection, inspection_id)


def _take_turns(
    story: Callable[[int], object], next_of: Callable[[Collection[int]], int | None], seconds: float
) -> None:
    """Tell the story of row after row, of none twice, until nothing waits, `seconds` have passed or it drains."""
    until = time.monotonic() + seconds
    tried: set[int] = set()
    while not tried or time.monotonic() < until:
        close_old_connections()
        if tried and presence.is_draining():
            return
        row_id = next_of(tried)
        if row_id is None:
            return
        tried.add(row_id)
        _perform(story, row_id)


def _next_run(tried: Collection[int]) -> int | None:
    return unplanned().exclude(pk__in=tried).order_by("pk").values_list("pk", flat=True).first()


def unplanned() -> QuerySet[Run]:
    """Runs that nobody plans. None of them has ended: said as well, as the index is of those."""
    return Run.objects.filter(leases.free(), status=Status.QUEUED, finished_at=None)


def _next_stage(tried: Collection[int]) -> int | None:
    """What was lost goes first; then the run that holds the fewest workers has its turn, of equals the oldest."""
    found = _whose_turn(tried)
    to_come = Stage.objects.filter(run__stages=found or 0, status__in=[Status.PENDING, Status.QUEUED])
    _leave_to_others(to_come.values_list("pk", flat=True))
    return found


def _leave_to_others(kept: Iterable[int] = ()) -> None:
    """What was made ahead for other stages than these is not used here: whoever else has time may have them."""
    for stage_id in waiting.room.keep(kept):
        bell.ring(Line.STAGE, run_stage, stage_id)


def goes_on_with(stage_id: int) -> bool:
    """Whether this process has a container ready for that stage, and takes it next: nobody has to be rung for."""
    return waiting.room.has(stage_id)


def _whose_turn(tried: Collection[int]) -> int | None:
    lost = Attempt.objects.filter(leases.expired(), status=Status.RUNNING).exclude(stage__in=tried)
    if (found := lost.order_by("pk").first()) is not None:
        return found.stage_id
    return turns.next_stage(labels(), tried)


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

    def story() -> None:
        with Heartbeat(partial(runs.renew_planning, run), lease_seconds=runs.LEASE_SECONDS):
            planning.plan(run)

    def end(why: str) -> None:
        runs.reject(run, Status.ERRORED, f"it could not be planned: {why}")

    _carry_out(run, story, end, partial(runs.let_go_planning, run))


def _stage(stage_id: int) -> None:
    from runners.containers.stage import clear_away
    from runners.containers.stage import run as perform

    claim = runs.claim_stage(stage_id, me(), labels())

    def end(why: str) -> None:
        runs.finish_attempt(claim.attempt, Status.ERRORED, reason=why)
        clear_away(claim.attempt)

    _carry_out(claim.attempt, partial(perform, claim), end, partial(runs.let_go, claim.attempt))


def _deploy(deploy_id: int) -> None:
    from runners.hosts.deploy import run as perform

    claim = deploys.claim_deploy(deploy_id, me())

    def end(why: str) -> None:
        if replaces_machines(claim.deploy):
            why += "; nothing was done about its machines: look in the cloud which of them run"
        deploys.finish_deploy(claim.deploy, Status.ERRORED, why)

    _carry_out(claim.deploy, partial(perform, claim), end, partial(deploys.let_go, claim.deploy))


def _probe(probe_id: int) -> None:
    from runners import probes

    probe = probes_lifecycle.claim(probe_id, me())

    def story() -> None:
        with Heartbeat(partial(probes_lifecycle.renew, probe), lease_seconds=probes_lifecycle.LEASE_SECONDS):
            _answer(probe, probes.answer)

    def end(why: str) -> None:
        probes_lifecycle.refuse(probe, SystemFault(why))

    _carry_out(probe, story, end, partial(probes_lifecycle.let_go, probe))


def _inspection(inspection_id: int) -> None:
    from runners.hosts import inspection as story

    claimed = inspections.claim(inspection_id)
    try:
        story.inspect(claimed)
    except LostRace:
        raise
    except PipelineError as error:
        inspections.fail(claimed, told(error))


def _answer(probe: Probe, find: Callable[[Probe], Any]) -> None:
    try:
        found = find(probe)
    except PipelineError as error:
        probes_lifecycle.refuse(probe, error)
    else:
        probes_lifecycle.answer(probe, found)


def _carry_out(
    row: Leased, story: Callable[[], object], end: Callable[[str], object], let_go: Callable[[], None]
) -> None:
    """Perform work that is under a lease of ours: whatever breaks is its errored end, in words; when we are told to
    stop, or lose the lease or the database, it is left to whoever takes it over, if it has not been too often."""
    if row.deaths >= leases.MAX_DEATHS:
        end("its workers died again and again; see their logs")
        return
    try:
        story()
    except (LostRace, *DATABASE_AWAY):
        raise
    except Interrupted:
        let_go()
        raise
    except Exception as error:
        logger.exception("the work broke")
        end(told(error))
