"""What a browser can watch, whose it is, and what a changed record is news for."""

from collections.abc import Callable
from dataclasses import dataclass

from django.db.models import Model, QuerySet

from pipelines.audit.models import Act
from pipelines.deploys.models import Deploy, Environment, HostDeploy
from pipelines.logs.models import Log
from pipelines.probes.models import OF_PROJECTS, OF_SERVER, Probe
from pipelines.projects.models import Project
from pipelines.roster.models import Runner
from pipelines.runs.models import Run, Stage
from server import access
from server.access import Visitor

_MAX_ID = 2**63 - 1
# Of the whole server, with the id 0; what each is news of.
OF_SERVER_KINDS: dict[str, type[Model]] = {"runners": Runner, "audit": Act}


@dataclass(frozen=True, slots=True)
class Subject:
    """A record by its kind and primary key; as text `run:12`."""

    kind: str
    id: int

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


def parse(text: object) -> Subject | None:
    """The subject that a browser names; None when it is none."""
    kind, _, number = text.partition(":") if isinstance(text, str) else ("", "", "")
    if kind in OF_SERVER_KINDS:
        return Subject(kind, 0) if number == "0" else None
    if kind not in _PROJECTS or not (number.isascii() and number.isdigit()) or len(number) > 19:
        return None
    return Subject(kind, int(number)) if int(number) <= _MAX_ID else None


def may_watch(person: Visitor, subject: Subject) -> bool:
    """Runners are everybody's who has signed in, acts an operator's; anything else is its project's."""
    if subject.kind in OF_SERVER_KINDS:
        return person.is_authenticated and (subject.kind != "audit" or access.is_operator(person))
    project = project_of(subject)
    return project is not None and access.may(person, access.Act.VIEW, project)


def may_read(person: Visitor, log_id: int) -> bool:
    """Logs are their project's."""
    project = project_of_log(log_id)
    return project is not None and access.may(person, access.Act.VIEW, project)


def project_of(subject: Subject) -> Project | None:
    """Whose it is, for asking `access`; None when it is not there."""
    return _PROJECTS[subject.kind](subject.id)


def project_of_log(log_id: int) -> Project | None:
    log = Log.objects.filter(pk=log_id)
    return _first(
        _projects(log, "attempt__stage__run__project")
        | _projects(log, "service__attempt__stage__run__project")
        | _projects(log, "deploy__environment__project")
        | _projects(log, "host_deploy__deploy__environment__project")
    )


def concerned(changed: Model) -> list[Subject]:
    """The subjects that a change of this record is news for."""
    if isinstance(changed, Run):
        return [Subject("run", changed.pk), Subject("project", changed.project_id)]
    if isinstance(changed, Stage):
        return [Subject("run", changed.run_id), Subject("project", changed.run.project_id)]
    if isinstance(changed, Deploy):
        places = [Subject("deploy", changed.pk), Subject("environment", changed.environment_id)]
        return [*places, Subject("project", changed.environment.project_id)]
    if isinstance(changed, HostDeploy):
        return [Subject("deploy", changed.deploy_id), Subject("environment", changed.deploy.environment_id)]
    if isinstance(changed, Environment):
        return [Subject("environment", changed.pk), Subject("project", changed.project_id)]
    return _concerned_by_probe(changed) if isinstance(changed, Probe) else _concerned_server(changed)


def _concerned_server(changed: Model) -> list[Subject]:
    return [Subject(kind, 0) for kind, model in OF_SERVER_KINDS.items() if isinstance(changed, model)]


def _concerned_by_probe(probe: Probe) -> list[Subject]:
    whose = [Subject("project", probe.subject_id)] if probe.kind in OF_PROJECTS else []
    return [Subject("probe", probe.pk), *whose]


def _project_of_probe(probe_id: int) -> Project | None:
    probe = Probe.objects.filter(pk=probe_id).first()
    if probe is None or probe.kind in OF_SERVER:
        return None
    return _PROJECTS["project" if probe.kind in OF_PROJECTS else "environment"](probe.subject_id)


def _through(model: type[Model], path: str) -> Callable[[int], Project | None]:
    def find(pk: int) -> Project | None:
        return _first(_projects(model._default_manager.filter(pk=pk), path))

    return find


def _projects(rows: QuerySet[Model] | QuerySet[Log], path: str) -> QuerySet[Project]:
    return Project.objects.filter(pk__in=rows.values_list(path, flat=True))


def _first(projects: QuerySet[Project]) -> Project | None:
    return projects.defer("webhook_secret", "code_host_token").first()


_PROJECTS: dict[str, Callable[[int], Project | None]] = {
    "project": _through(Project, "pk"),
    "run": _through(Run, "project"),
    "environment": _through(Environment, "project"),
    "deploy": _through(Deploy, "environment__project"),
    "probe": _project_of_probe,
}
