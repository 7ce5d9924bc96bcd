"""What every page begins with: the thing it is about, if this person may."""

from django.http import Http404, HttpRequest

from pipelines.deploys.models import Deploy, Environment
from pipelines.deploys.reads import queries as deploys
from pipelines.projects.models import Project
from pipelines.runs import queries as runs
from pipelines.runs.models import Run
from server import access
from server.access import Act


def project(request: HttpRequest, name: str, act: Act = Act.VIEW) -> Project:
    """Raises Http404 for what the person does not see, PermissionDenied for an act that they may not do."""
    found = Project.objects.filter(name=name).first()
    if found is None:
        raise Http404
    access.require(request.user, act, found)
    return found


def run(request: HttpRequest, name: str, number: int, act: Act = Act.VIEW) -> Run:
    """As `project`; the run comes with all that its page shows."""
    try:
        return runs.whole(project(request, name, act), number)
    except Run.DoesNotExist as error:
        raise Http404 from error


def environment(request: HttpRequest, project_name: str, name: str, act: Act = Act.VIEW) -> Environment:
    """As `project`."""
    found = project(request, project_name, act).environments.select_related(
        "project", "current__run", "credential", "after", "approver_team"
    )
    environment = found.filter(name=name).first()
    if environment is None:
        raise Http404
    return environment


def deploy(request: HttpRequest, name: str, number: int, act: Act = Act.VIEW) -> Deploy:
    """As `project`; the deploy comes with its hosts."""
    try:
        return deploys.whole(project(request, name, act), number)
    except Deploy.DoesNotExist as error:
        raise Http404 from error


def whole_number(text: str | None) -> int | None:
    """A number from a query string; None for what is none, so that a mended address shows the page itself."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else None
