"""What every page and every answer begins with: the thing it is about, if this person may."""

from django.http import Http404

from pipelines.deploys.models import Deploy, Environment, Release
from pipelines.deploys.reads import queries as deploys
from pipelines.logs.models import Log
from pipelines.projects.models import Project
from pipelines.runs import queries as runs
from pipelines.runs.models import Run
from server import access
from server.access import Act, Person
from server.live.subjects import project_of_log


def project(person: Person, name: str, act: Act = Act.VIEW) -> Project:
    """Raises Http404 for what the person does not see, PermissionDenied for an act that they may not do."""
    found = Project.objects.filter(name=name).first()
    if found is None:
        raise Http404
    access.require(person, act, found)
    return found


def run(person: Person, name: str, number: int, act: Act = Act.VIEW) -> Run:
    """As `project`; the run comes with all that its page shows."""
    try:
        return runs.whole(project(person, name, act), number)
    except Run.DoesNotExist as error:
        raise Http404 from error


def release(person: Person, name: str, number: int, act: Act = Act.VIEW) -> Release:
    """As `project`."""
    found = project(person, name, act).releases.select_related("run", "artifact", "project").filter(number=number)
    if (one := found.first()) is None:
        raise Http404
    return one


def environment(person: Person, project_name: str, name: str, act: Act = Act.VIEW) -> Environment:
    """As `project`."""
    places = project(person, project_name, act).environments  # which know their project already
    environment = (
        places.select_related("current__run", "credential", "after", "approver_team").filter(name=name).first()
    )
    if environment is None:
        raise Http404
    return environment


def deploy(person: Person, name: str, number: int, act: Act = Act.VIEW) -> Deploy:
    """As `project`; the deploy comes with its hosts."""
    try:
        return deploys.whole(project(person, name, act), number)
    except Deploy.DoesNotExist as error:
        raise Http404 from error


def log(person: Person, log_id: int) -> Log:
    """As `project`, for a log of something in it."""
    found, of_project = Log.objects.filter(pk=log_id).first(), project_of_log(log_id)
    if found is None or of_project is None:
        raise Http404
    access.require(person, Act.VIEW, of_project)
    return found
