"""While a stage runs, the containers of those that will follow are made and started: each waits to be let go.

Nothing is decided here. What waits is used only if the attempt, once it exists, orders the very same; else, and when
its stage never comes, it is thrown away. When this process dies, it ends by itself, and the sweep removes it.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

from django.conf import settings
from django.db import connection

from pipelines.errors import PipelineError
from pipelines.runs.models import Run, Stage
from pipelines.spec.model import StageSpec
from pipelines.states.status import Status
from runners.containers import preparation
from runners.containers.clearing import clearing
from runners.containers.docker import open_executor
from runners.containers.executor import ContainerGone, Executor, State
from runners.containers.preparation import Opened, Order
from runners.containers.waiting import Place, room

logger = logging.getLogger(__name__)

END_SECONDS = 5.0


class Abandoned(PipelineError):
    """Nobody needs the container any more that is being made."""


def begin(stage: Stage) -> None:
    """Make, in a thread, what follows this stage, which is about to run here, if it succeeds."""
    if settings.SLIPWAY_PREPARE_AHEAD > 0:
        threading.Thread(target=_make_all, args=(stage.run_id, stage.pk), name="ahead", daemon=True).start()


def take(executor: Executor, order: Order, watch: Callable[[], None]) -> Opened | None:
    """What waits for this order; None when nothing does. Ends with what `watch` raises while it is still being made."""
    owner = order.plan.owner
    opened: Opened | None = room.take(owner.stage, owner.attempt, order.plan.seal, watch)
    if opened is None:
        return None
    found = executor.find(owner)
    if found is not None and found.id == opened.container.id and found.state == State.RUNNING:
        return opened
    opened.line.close()  # it has ended meanwhile, by another hand
    return None


def drop() -> None:
    """Throw away what waits: nothing of it is to come."""
    room.keep()


def _make_all(run_id: int, running: int) -> None:
    executor = open_executor()
    try:
        for stage in followers(run_id, running):
            place = Place(stage.pk, stage.attempts.count() + 1, _clear)
            if room.reserve(place, settings.SLIPWAY_PREPARE_AHEAD):
                _make(executor, stage, place)
    except Exception:
        logger.exception("nothing is made ahead for run %s", run_id)
    finally:
        executor.close()
        connection.close()


def _make(executor: Executor, stage: Stage, place: Place) -> None:
    def watch() -> None:
        if place.abandoned.is_set():
            raise Abandoned(f"{stage} is not waited for any more")

    if not place.made.set_running_or_notify_cancel():
        return
    try:
        spec = StageSpec.from_json(stage.spec)
        secrets = preparation.given(stage.run, spec, preparation.asked_secrets(stage.run))
        order = preparation.order(stage, place.attempt, spec, secrets)
        opened = preparation.open_container(executor, order, watch, is_claimed=False)
        place.made.set_result((order.plan.seal, opened))
    except Exception as error:  # among them: who has claimed the stage meanwhile has one, or has removed this one
        logger.info("no container is made ahead for %s: %s", stage, error)
        place.made.set_exception(error)


def followers(run_id: int, running: int) -> Iterator[Stage]:
    """The stages that start, one after the other, once `running` has succeeded and then each of them; the first of
    several. None while others wait for a worker: they come first, and the machine has enough to do."""
    if Stage.objects.filter(status=Status.QUEUED, finished_at=None).exclude(run=run_id).exists():
        return
    run = Run.objects.select_related("project").get(pk=run_id)
    stages = list(run.stages.order_by("position"))
    over = {stage.name for stage in stages if stage.status in (Status.SUCCEEDED, Status.SKIPPED) or stage.pk == running}
    while (found := _next(stages, over)) is not None:
        over.add(found.name)
        found.run = run
        yield found


def _next(stages: list[Stage], over: set[str]) -> Stage | None:
    return next((stage for stage in stages if stage.name not in over and _is_due(stage, over)), None)


def _is_due(stage: Stage, over: set[str]) -> bool:
    """Whether it starts as soon as its needs are over, with all that is known of it now."""
    spec = StageSpec.from_json(stage.spec)
    asks_more = spec.approval or spec.concurrency or spec.services or spec.build or spec.privileged
    fits = not asks_more and "succeeded" in stage.starts_on and not stage.group and not stage.approvals
    can = set(stage.labels).issubset(settings.SLIPWAY_RUNNER_LABELS)
    return stage.status == Status.PENDING and fits and can and over.issuperset(stage.needs)


def _clear(opened: Opened) -> None:
    """It ends when nobody holds the line; if somebody has let it go after all, it is left alone."""
    opened.line.close()

    def discard(executor: Executor) -> None:
        with suppress(ContainerGone):  # its run was cleared away meanwhile
            executor.wait(opened.container, END_SECONDS)
        executor.discard(opened.container)

    clearing.later(discard)
