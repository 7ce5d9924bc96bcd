"""Starting a run by hand: of which branch or tag, with which parameters."""

from collections.abc import Mapping

from pipelines.projects import pipelines
from pipelines.projects.models import Project, SpecSource
from pipelines.runs import queries, receiving
from pipelines.runs.models import EventKind, Run
from pipelines.spec.errors import SpecError
from pipelines.spec.model import ParameterSpec
from pipelines.spec.parameters import check
from pipelines.spec.parser import parse


def start(project: Project, ref: str, given: Mapping[str, str], actor: str, kind: EventKind = EventKind.MANUAL) -> Run:
    """A run of a branch or tag, empty: the default branch. Raises BadParameters for what the pipeline does not ask for,
    and BadRef for what is no ref."""
    check(asked(project), given)
    ref = full_ref(ref or project.default_branch)
    run = receiving.start(project, kind, ref, given, actor, f"started by {actor}").run
    assert run is not None, "what is asked for always starts a run"
    return run


def asked(project: Project) -> tuple[ParameterSpec, ...]:
    """What the pipeline asks for: as it is kept here, else as it was when the default branch was last planned."""
    if project.spec_source == SpecSource.SERVER and (version := pipelines.current(project)) is not None:
        try:
            return parse(version.text, path=project.spec_path).parameters
        except SpecError:  # saved before a key was taken away: the run will say so
            return ()
    return queries.asked_parameters(project)


def full_ref(ref: str) -> str:
    """A short name is a branch."""
    return ref if ref.startswith("refs/") else f"refs/heads/{ref}"
