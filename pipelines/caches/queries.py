"""Which cache a run may find."""

from collections.abc import Sequence

from pipelines.caches.models import Cache
from pipelines.projects.models import Project
from pipelines.runs.models import Run


def scopes(run: Run) -> tuple[str, ...]:
    """Where a run reads, in this order; it writes only to the first.

    A branch or tag writes to its own and reads the default branch's as well. What came from outside the project never
    writes where anything of the project reads, however its branch is called.
    """
    own = run.ref if run.trusted else f"outside {run.ref}"
    return (own,) if own == run.project.default_ref else (own, run.project.default_ref)


def exact(project: Project, among: Sequence[str], name: str, key: str) -> Cache | None:
    """What was stored under this very key, in the first of the scopes that has it."""
    found = {cache.scope: cache for cache in Cache.objects.filter(project=project, scope__in=among, name=name, key=key)}
    return next((found[scope] for scope in among if scope in found), None)


def newest(project: Project, among: Sequence[str], name: str) -> Cache | None:
    """What was stored last under this name, in the first of the scopes that has any."""
    for scope in among:
        stored = Cache.objects.filter(project=project, scope=scope, name=name)
        if (found := stored.order_by("-created_at", "-pk").first()) is not None:
            return found
    return None
