"""A stage told from a spec that is given as values, whatever the language of pipeline files makes of it."""

import subprocess
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.utils import timezone

from pipelines.logs import store as logs
from pipelines.logs.models import Log
from pipelines.projects.models import Project
from pipelines.runs import lifecycle
from pipelines.runs.lifecycle import Claim
from pipelines.runs.models import Attempt, Run
from pipelines.spec.model import StageSpec, StepSpec
from pipelines.states.status import Status
from runners.containers import stage
from runners.containers.clearing import clearing
from tests import factories

OWNER = "test-worker"


def git(path: Path, *args: str) -> str:
    who = ["-c", "user.name=Alice", "-c", "user.email=alice@example.org"]
    return subprocess.run(["git", "-C", path, *who, *args], check=True, capture_output=True, text=True).stdout.strip()


def commit(path: Path, files: Mapping[str, str], message: str = "a commit") -> str:
    """Write files and commit them all; the commit's id."""
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    git(path, "add", "--all")
    git(path, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(path, "rev-parse", "HEAD")


class Story:
    """Runs of one project of one repository, each of a commit of its own with the same files."""

    def __init__(self, repository: Path, image: str) -> None:
        self.repository, self.image = repository, image
        self.project: Project = factories.make_project(clone_url=str(repository))

    def claim(self, *steps: str | StepSpec, ref: str = "refs/heads/main", trusted: bool = True, **spec: Any) -> Claim:
        """A claimed stage of a new run of the newest commit; `spec` as StageSpec."""
        run = self.run(ref)
        row = run.stages.get()
        parts = tuple(StepSpec(step, step) if isinstance(step, str) else step for step in steps)
        whole = replace(StageSpec(name=row.name, image=self.image, steps=parts), **spec)
        row.spec = whole.to_json()
        row.save(update_fields=["spec"])
        claim = lifecycle.claim_stage(row.pk, OWNER)
        if not trusted:  # after the claim: who approves a fork's commit is another story
            Run.objects.filter(pk=run.pk).update(trusted=False)
            claim.attempt.stage.run.trusted = False
        return claim

    def perform(self, *steps: str | StepSpec, **options: Any) -> Attempt:
        return performed(self.claim(*steps, **options))

    def run(self, ref: str = "refs/heads/main") -> Run:
        sha = commit(self.repository, {}, "the same once more")  # a commit runs once
        text = f"image: {self.image}\nstages:\n  build:\n    steps: ['true']\n"
        return factories.make_run(self.project, spec=text, sha=sha, ref=ref)


def performed(claim: Claim) -> Attempt:
    stage.run(claim)
    assert clearing.finish(120)
    return Attempt.objects.get(pk=claim.attempt.pk)


def taken_over(attempt: Attempt) -> Claim:
    """The claim of a second runner, after the first has let its lease run out."""
    Attempt.objects.filter(pk=attempt.pk).update(lease_until=timezone.now() - timedelta(seconds=60))
    return lifecycle.claim_stage(attempt.stage_id, "second-worker")


def text_of(log: Log) -> str:
    log.refresh_from_db()
    return b"".join(logs.read(log)).decode()


__all__ = ["OWNER", "Status", "Story", "commit", "git", "performed", "taken_over", "text_of"]
