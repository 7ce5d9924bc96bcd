"""Which pages `bench.pages` asks for, with what they show, and as whom."""

from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import NoReverseMatch, reverse

from pipelines.deploys.models import Deploy, Release
from pipelines.projects.models import Project
from pipelines.reports.models import Result
from pipelines.runs.models import Event, Run
from pipelines.states.status import Status


def cookie() -> str:
    """A session of an operator."""
    client = Client()
    client.force_login(User.objects.create_superuser("visitor"))
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


def pages() -> dict[str, str]:
    """Name of each page → its path; those that are not built yet are left out."""
    project = Project.objects.order_by("pk")[7]
    run = project.runs.filter(status=Status.FAILED).latest("number")
    old = project.runs.order_by("number")[project.runs.count() // 2].number
    release = project.releases.latest("number")
    deploy = Deploy.objects.filter(environment__project=project).latest("pk")
    event = Event.objects.filter(project=project).latest("pk")
    place = [project.name, "production"]
    found = {
        "dashboard": _path("dashboard"),
        "project": _path("project", project.name),
        "project, older": _path("project", project.name) + f"?before={old}",
        "project, one branch": _path("project", project.name) + "?ref=refs/heads/topic-1",
        "run": _path("run", project.name, run.number),
        "run's tests": _path("run-tests", project.name, run.number),
        "tests": _path("tests", project.name),
        "test": _path("test", project.name, _test(run)),
        "environments": _path("board"),
        "environment": _path("environment", *place),
        "delivery": _path("delivery", *place),
        "preview": _path("preview", *place, release.number - 3),
        "hosts": _path("hosts", *place),
        "deploy": _path("deploy", project.name, deploy.number),
        "queue": _path("queue"),
        "runners": _path("runners"),
        "events": _path("all-events"),
        "events without a run": _path("all-events") + "?show=none",
        "event": _path("event", project.name, event.pk),
        "schedules": _path("schedules", project.name),
        "pipeline": _path("pipeline", project.name),
        "start": _path("run-start", project.name),
        "audit": _path("audit"),
        "audit, about": _path("audit") + "?about=production",
        **_later(project, run, release),
    }
    return {name: path for name, path in found.items() if path}


def _later(project: Project, run: Run, release: Release) -> dict[str, str]:
    """What came after the first of these pages."""
    api = f"/api/v1/projects/{project.name}"
    return {
        "trends": _path("trends", project.name),
        "wall": _path("wall"),
        "search": _path("search") and _path("search") + f"?q={run.sha[:7]}",
        "search, words": _path("search") and _path("search") + "?q=Change+number",
        "secrets": _path("secrets", project.name),
        "API: projects": "/api/v1/projects" if _path("api-1:openapi-json") else "",
        "API: runs": f"{api}/runs" if _path("api-1:openapi-json") else "",
        "API: run": f"{api}/runs/{run.number}" if _path("api-1:openapi-json") else "",
    }


def _test(run: Run) -> str:
    return Result.objects.filter(report__run=run).select_related("test")[0].test.key


def _path(name: str, *args: object) -> str:
    """Empty for a route that is not there."""
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return ""
