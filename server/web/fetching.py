"""What every page begins with: the thing it is about, if the person in front of it may."""

from django.http import HttpRequest

from pipelines.deploys.models import Deploy, Environment
from pipelines.projects.models import Project
from pipelines.runs.models import Run
from server import fetching
from server.access import Act


def project(request: HttpRequest, name: str, act: Act = Act.VIEW) -> Project:
    """Raises Http404 for what the person does not see, PermissionDenied for an act that they may not do."""
    return fetching.project(request.user, name, act)


def run(request: HttpRequest, name: str, number: int, act: Act = Act.VIEW) -> Run:
    """As `project`; the run comes with all that its page shows."""
    return fetching.run(request.user, name, number, act)


def environment(request: HttpRequest, project_name: str, name: str, act: Act = Act.VIEW) -> Environment:
    """As `project`."""
    return fetching.environment(request.user, project_name, name, act)


def deploy(request: HttpRequest, name: str, number: int, act: Act = Act.VIEW) -> Deploy:
    """As `project`; the deploy comes with its hosts."""
    return fetching.deploy(request.user, name, number, act)


def whole_number(text: str | None) -> int | None:
    """A number from a query string; None for what is none, so that a mended address shows the page itself."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else None
