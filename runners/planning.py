"""The story of planning a run: from a pushed commit to stages."""

import hashlib
from dataclasses import asdict

from django.conf import settings

from pipelines.errors import UserError
from pipelines.projects.clone_urls import check_clone_url
from pipelines.projects.models import Project
from pipelines.runs import lifecycle
from pipelines.runs.models import Run
from pipelines.spec.errors import SpecError
from pipelines.spec.parser import parse
from pipelines.states.status import Status
from runners.checkout import FileMissing, Mirror


def plan(run: Run) -> None:
    """Read the spec at exactly the pushed commit and give the run its stages, or its reason to fail."""
    try:
        mirror = mirror_of(run.project)
        run.sha = mirror.fetch(run.ref, run.sha, run=str(run.pk))
        commit = mirror.commit(run.sha)
        text = _spec_text(mirror, run)
        spec = parse(text, path=run.project.spec_path)
    except SpecError as error:
        lifecycle.reject(run, Status.FAILED, str(error), [asdict(problem) for problem in error.problems])
    except UserError as error:
        lifecycle.reject(run, Status.FAILED, str(error))
    else:
        digest = hashlib.sha256(text).hexdigest()
        lifecycle.plan(run, spec, sha=run.sha, digest=digest, title=commit.subject, author=commit.author_name)


def mirror_of(project: Project) -> Mirror:
    """The project's bare mirror on this machine. Raises BadCloneUrl for a URL that this server does not clone."""
    check_clone_url(project.clone_url, allow_local=settings.SLIPWAY_LOCAL_CLONES)
    path = settings.SLIPWAY_MIRRORS_DIR / f"{project.pk}.git"
    return Mirror(path, project.clone_url, token=project.code_host_token or None)


def _spec_text(mirror: Mirror, run: Run) -> bytes:
    try:
        return mirror.read_file(run.sha, run.project.spec_path)
    except FileMissing as error:
        raise UserError(
            f"{run.project.spec_path} is not in commit {run.short_sha}: add one, "
            "or name its path in the project's settings"
        ) from error
