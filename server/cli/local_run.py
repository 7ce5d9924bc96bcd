"""One run of a working tree, among the records of that tree."""

import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from django.contrib.auth.models import Group, User
from django.core.files.storage import default_storage
from django.db import DEFAULT_DB_ALIAS, connection, connections

from pipelines.errors import LostRace
from pipelines.logs import store
from pipelines.logs.models import Log
from pipelines.logs.signals import appended
from pipelines.projects.models import Project, Secret
from pipelines.runs import approvals, lifecycle, receiving
from pipelines.runs.models import Artifact, Attempt, EventKind, Run, Stage
from pipelines.states.leases import DATABASE_AWAY
from pipelines.states.models import Stateful, Transition
from pipelines.states.signals import transitioned
from pipelines.states.status import FINAL, Status
from runners.containers.docker import open_executor
from runners.containers.sweeping import sweep
from runners.queue import jobs
from runners.snapshot import snapshot
from server.cli.choices import Choices
from server.cli.printing import Printer
from server.cli.worktree import Worktree

_PAUSE_SECONDS = 0.05
_TOLD = FINAL | {Status.RUNNING, Status.BLOCKED}


class LocalRun:
    """A planned run and the way to carry it out in threads of this process."""

    def __init__(self, run: Run, actor: str, *, approves: bool) -> None:
        self._run, self._actor, self._approves = run, actor, approves

    @classmethod
    def planned(cls, tree: Worktree, spec_path: str, choices: Choices, user: str) -> Self:
        """Record the working tree as it is and plan its pipeline."""
        for left in Run.objects.filter(finished_at=None):  # by one that was killed
            lifecycle.cancel(left, user)
        project = _project(tree, spec_path, choices)
        event = receiving.start(
            project,
            EventKind(choices.event),
            choices.ref,
            sha=snapshot(tree.root),
            parameters=dict(choices.parameters),
            only=choices.stages,
            actor=user,
            why="slipway run",
        )
        assert event.run is not None
        jobs.plan_run(event.run.pk)
        return cls(event.run, user, approves=choices.approves)

    @property
    def is_final(self) -> bool:
        self._run.refresh_from_db(fields=["status", "reason", "started_at", "finished_at"])
        return self._run.is_final

    def names(self) -> list[str]:
        return list(self._run.stages.order_by("position").values_list("name", flat=True))

    def verdict(self) -> tuple[str, str]:
        """The status and what to say of it."""
        took = f" in {self._run.took_seconds:.1f} s" if self._run.took_seconds is not None else ""
        because = f"\n{self._run.reason}" if self._run.reason else ""
        return self._run.status, f"{self._run.status}{took}{because}"

    def document(self) -> dict[str, Any]:
        """The machine form: how it and each stage of it ended."""
        columns = ("name", "status", "reason", "started_at", "finished_at")
        stages = [
            {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
            for row in self._run.stages.order_by("position").values(*columns)
        ]
        return {"status": self._run.status, "reason": self._run.reason, "stages": stages}

    def work(self) -> None:
        """Perform stages until the run has ended."""
        try:
            while not self._has_ended():
                with suppress(*DATABASE_AWAY):  # busy with the other threads
                    jobs.run_stage(0)
                time.sleep(_PAUSE_SECONDS)
        finally:
            connection.close()

    def _has_ended(self) -> bool:
        with suppress(*DATABASE_AWAY):
            return Run.objects.filter(pk=self._run.pk).exclude(finished_at=None).exists()
        return False

    def look_after(self) -> None:
        """What the clock does on a server, and people."""
        for run_id in lifecycle.unsettled():
            lifecycle.settle(run_id)
        for stage in self._run.stages.filter(status=Status.BLOCKED):
            with suppress(LostRace):  # it was cancelled in this moment
                self._word(stage)

    def _word(self, stage: Stage) -> None:
        """Who sits at the terminal stands for everybody that a stage asks."""
        wish = approvals.approval_of(stage)
        for number in range(wish.count):
            person, _ = User.objects.get_or_create(username=f"{self._actor}-{number}")
            person.groups.set([Group.objects.get_or_create(name=team)[0] for team in wish.teams])
            if not self._approves:
                approvals.refuse(stage, person, self._actor, "it asks for approval: --yes gives it")
                return
            answers = {one.name: self._run.parameters.get(one.name, one.default or "") for one in wish.ask}
            if approvals.approve(stage, person, self._actor, answers):
                return

    def cancel(self) -> None:
        lifecycle.cancel(self._run, self._actor)

    @contextmanager
    def told_to(self, printer: Printer) -> Iterator[None]:
        """Print the output and the statuses of the stages as they come."""
        told = _Telling(printer)
        transitioned.connect(told.of_status)
        appended.connect(told.of_output)
        try:
            yield
        finally:
            transitioned.disconnect(told.of_status)
            appended.disconnect(told.of_output)

    def unpack_artifacts(self, place: Path | None) -> None:
        """What the stages kept, each stage's in a folder of its name."""
        if place is None:
            return
        made = Artifact.objects.filter(attempt__stage__run=self._run, attempt__status=Status.SUCCEEDED)
        for artifact in made.filter(expired_at=None).exclude(storage_name=""):
            with default_storage.open(artifact.storage_name) as stored, tarfile.open(fileobj=stored) as archive:
                archive.extractall(place / artifact.attempt.stage.name, filter="data")

    @staticmethod
    def clear_away() -> None:
        """Nothing of the run stays on the engine, nor a secret in these records, planned or not."""
        _begin_connection_anew()
        Secret.objects.all().delete()
        sweep()
        executor = open_executor()
        try:
            executor.remove_network()
        finally:
            executor.close()


def _begin_connection_anew() -> None:
    """Ctrl-C may have come within a transaction, which would never be committed: what was in it is undone."""
    left = connections[DEFAULT_DB_ALIAS].connection
    del connections[DEFAULT_DB_ALIAS]
    if left is not None:
        left.close()


class _Telling:
    """Hears what this process records."""

    def __init__(self, printer: Printer) -> None:
        self._printer = printer
        self._names: dict[int, str] = {}
        self._told: dict[int, int] = {}

    def of_status(self, subject: Stateful, transition: Transition, **_: Any) -> None:
        if isinstance(subject, Stage) and transition.to_status in _TOLD:
            self._printer.tell(subject.name, transition.to_status, transition.reason)

    def of_output(self, log_id: int, size: int, **_: Any) -> None:
        if log_id not in self._names:
            attempt = Attempt.objects.select_related("stage").filter(log=log_id).first()
            self._names[log_id] = attempt.stage.name if attempt else ""
        if name := self._names[log_id]:
            begin, self._told[log_id] = self._told.get(log_id, 0), size
            for piece in store.read(Log.objects.get(pk=log_id), begin, size):
                self._printer.feed(name, piece)


def _project(tree: Worktree, spec_path: str, choices: Choices) -> Project:
    project, _ = Project.objects.update_or_create(
        name="worktree",
        defaults={
            "clone_url": str(tree.root),
            "default_branch": tree.ref.removeprefix("refs/heads/"),
            "spec_path": spec_path,
            "may_be_privileged": choices.is_privileged,
        },
    )
    Secret.objects.all().delete()
    for name, value in choices.secrets.items():
        secret = Secret(project=project, name=name, value=value)
        secret.full_clean()
        secret.save()
    return project
