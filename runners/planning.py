"""The story of planning a run: from a pushed commit to stages."""

from dataclasses import asdict

from django.conf import settings

from pipelines.errors import UserError
from pipelines.projects.clone_urls import Transport, parse_clone_url
from pipelines.projects.lifecycle import ensure_deploy_key
from pipelines.projects.models import Project
from pipelines.runs import lifecycle
from pipelines.runs.models import EventKind, Run
from pipelines.runs.planning import asks_for_paths, skip_word
from pipelines.schedules import lifecycle as schedules
from pipelines.spec.errors import SpecError
from pipelines.spec.model import PipelineSpec
from pipelines.states.status import Status
from runners.checkout import Mirror
from runners.specs import Reading


def plan(run: Run) -> None:
    """Read the spec at exactly the pushed commit and give the run its stages, or its reason to fail."""
    try:
        mirror = mirror_of(run.project, trusted=run.trusted)
        run.sha = _commit_of(run, mirror)
        _plan(run, mirror)
    except SpecError as error:
        lifecycle.reject(run, Status.FAILED, str(error), [asdict(problem) for problem in error.problems])
    except UserError as error:
        lifecycle.reject(run, Status.FAILED, str(error))


def _plan(run: Run, mirror: Mirror) -> None:
    commit = mirror.commit(run.sha)
    message = run.message or mirror.message(run.sha)
    if run.rerun_of is None and (word := skip_word(run.event_kind, message)):
        why = f"its commit message says {word}"
        lifecycle.pass_over(run, why, sha=run.sha, title=commit.subject, author=commit.author_name, message=message)
        return
    reading = Reading(run, mirror, mirror_of)
    spec = reading.spec()
    lifecycle.plan(
        run,
        spec,
        sha=run.sha,
        digest=reading.digest,
        title=commit.subject,
        author=commit.author_name,
        message=message,
        paths=_changed_paths(run, spec, mirror),
        sources=reading.sources,
    )
    if _speaks_for_the_branch(run):
        schedules.sync(run.project, spec.schedules)


def _speaks_for_the_branch(run: Run) -> bool:
    """Whether its file is the default branch's newest: neither a rerun nor one that comes late brings old ones back."""
    if not (run.trusted and run.event_kind == EventKind.PUSH and run.ref == run.project.default_ref):
        return False
    pushed = Run.objects.filter(project=run.project, ref=run.ref, event_kind=EventKind.PUSH, rerun_of=None)
    return run.rerun_of is None and not pushed.filter(number__gt=run.number).exclude(started_at=None).exists()


def _commit_of(run: Run, mirror: Mirror) -> str:
    """The event's commit, fetched; where only a ref was named, its tip.

    A commit that a person named must be of the ref: a code host hands out a fork's commits under the project's name.
    """
    if not run.sha:
        tip = mirror.tip(run.ref)
        if tip is None:
            raise UserError(f"there is no {run.ref} in {run.project.clone_url} any more")
        return mirror.fetch(run.ref, tip, run=str(run.pk))
    sha = mirror.fetch(run.ref, run.sha, run=str(run.pk))
    if run.asked_by and run.trusted and run.rerun_of is None and not settings.SLIPWAY_ALONE:
        tip = mirror.tip(run.ref)
        if tip is None or not mirror.is_ancestor(sha, tip):
            raise UserError(f"commit {sha[:7]} is not in the history of {run.ref}")
    return sha


def _changed_paths(run: Run, spec: PipelineSpec, mirror: Mirror) -> tuple[str, ...] | None:
    """What the event changed, if anything in the spec asks; None when it cannot be known: then all has changed."""
    if not asks_for_paths(spec):
        return None
    if run.event_kind == EventKind.PULL_REQUEST:
        return mirror.changed_paths(mirror.fork_point(run.sha, run.target) if run.target else "", run.sha)
    if run.event_kind != EventKind.PUSH:
        return None
    before = run.before.strip("0") and run.before
    if not before and run.ref != run.project.default_ref:  # a new branch: since it left the default one
        before = mirror.fork_point(run.sha, run.project.default_ref)
    return mirror.changed_paths(before, run.sha)


def mirror_of(project: Project, *, trusted: bool = False) -> Mirror:
    """The project's bare mirror on this machine. Raises BadCloneUrl for a URL that this server does not clone.

    A commit that is not `trusted` names submodules that are fetched without the project's credentials.
    """
    url = parse_clone_url(project.clone_url, allow_local=settings.SLIPWAY_LOCAL_CLONES)
    return Mirror(
        settings.SLIPWAY_MIRRORS_DIR / f"{project.pk}.git",
        project.clone_url,
        token=project.code_host_token or None,
        deploy_key=ensure_deploy_key(project) if url.transport == Transport.SSH else "",
        host_keys=project.code_host_keys,
        depth=project.clone_depth,
        with_submodules=project.with_submodules,
        with_lfs=project.with_lfs,
        lfs_hosts=tuple(project.lfs_hosts.split()),
        shares_credentials=trusted,
        local_submodules=trusted and settings.SLIPWAY_LOCAL_CLONES,
    )
