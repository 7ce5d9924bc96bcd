"""Which stages ask for which secrets, as the default branch's last planned run was planned."""

from dataclasses import dataclass, field

from pipelines.projects.models import Project
from pipelines.runs.models import Run, Stage


@dataclass(frozen=True, slots=True)
class Uses:
    """Name of a secret → names of the stages that ask for it in `run`; None where nothing was planned yet."""

    run: Run | None = None
    by: dict[str, list[str]] = field(default_factory=dict)


def secrets(project: Project) -> Uses:
    planned = Run.objects.filter(project=project, ref=project.default_ref).exclude(spec_digest="")
    run = planned.defer("message", "problems").order_by("-number").first()
    if run is None:
        return Uses()
    by: dict[str, list[str]] = {}
    for name, spec in Stage.objects.filter(run=run).order_by("position").values_list("name", "spec"):
        for secret in spec.get("secrets", ()):
            by.setdefault(secret, []).append(name)
    return Uses(run, by)
