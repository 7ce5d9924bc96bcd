"""Runs and deploys that are at work now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipelines.deploys.models import Deploy
from pipelines.deploys.reads import queries as deploys
from pipelines.projects.models import Project
from pipelines.runs import queries as runs
from pipelines.runs.models import Run
from pipelines.runs.queries import Line
from pipelines.states.status import Status
from server import sentences
from server.durations import so_far

NAMED = 3  # stages of one run


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A run or a deploy that has not ended, with how long its kind usually takes."""

    run: Run | None
    deploy: Deploy | None
    usual_seconds: float | None

    @property
    def project(self) -> Project:
        if self.run:
            return self.run.project
        assert self.deploy is not None
        return self.deploy.environment.project

    @property
    def seconds(self) -> float:
        """How long it has been at work."""
        row = self.run or self.deploy
        return (so_far(row) if row else None) or 0.0

    @property
    def is_at_work(self) -> bool:
        """Whether something of it is performed now: a run whose stages all wait is not."""
        return self.run is None or any(stage.status == Status.RUNNING for stage in self.run.stages.all())

    @property
    def doing(self) -> str:
        """Which stages of a run are performed, or that none is."""
        statuses = {stage.name: stage.status for stage in self.run.stages.all()} if self.run else {}
        running = [name for name, status in statuses.items() if status == Status.RUNNING]
        if len(running) > NAMED:
            return f"{len(running)} stages"
        asks = Status.BLOCKED in statuses.values()
        return ", ".join(running) or ("waits for a person" if asks else "waits for its turn")

    @property
    def progress(self) -> str:
        """`hosts` in the fewest words."""
        statuses = [row.status for row in self.deploy.hosts.all()] if self.deploy else []
        return f"{statuses.count(Status.SUCCEEDED)} of {sentences.counted(len(statuses), 'host')}" if statuses else ""

    @property
    def hosts(self) -> str:
        """How far the hosts of a deploy have come."""
        return sentences.hosts([row.status for row in self.deploy.hosts.all()]) if self.deploy else ""


def under_way(projects: Sequence[Project], lines: Mapping[int, Line]) -> list[UnderWay]:
    """Runs first, each in the order in which they were asked for."""
    found = [UnderWay(run, None, lines[run.project_id].usual_seconds) for run in runs.running(projects)]
    running = deploys.running(projects)
    usual = deploys.usual({deploy.environment for deploy in running})
    return found + [UnderWay(None, deploy, usual.get(deploy.environment_id)) for deploy in running]
