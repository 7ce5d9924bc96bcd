"""Which of the server's routes are pages that a person looks at, each with something on it.

Nothing is listed twice: every route of the pages is asked, and what it answers says whether it is a page. A route that
cannot be asked with the arguments here fails the walk, so that a new page is looked at or says why not.
"""

from collections.abc import Iterator

from django.urls import URLPattern, reverse
from playwright.sync_api import APIResponse

from pipelines.deploys.models import Deploy, Release
from pipelines.logs.models import Log
from pipelines.notifications.models import Recipient, Rule
from pipelines.probes import lifecycle as probes
from pipelines.probes.models import Kind
from pipelines.projects.models import Project
from pipelines.reports.models import TestCase
from pipelines.runs.models import Artifact, Event, Run
from pipelines.schedules.models import Schedule
from server.web import urls
from tests.browser.visitor import Visitor

# What these answer depends on where one comes from: they lead elsewhere, or are there only halfway through a form.
LEADS_ON = {"github_login", "github_callback", "mfa_authenticate", "account_login", "login", "setup"}
LEADS_ON |= {"openid_connect_login", "openid_connect_callback"}
LEADS_ON |= {"mfa_deactivate_totp", "mfa_view_recovery_codes", "mfa_remove_webauthn"}  # of who has a second factor
NO_PAGES = {"calendar", "project-reached"}  # a file under a secret address, and a part of a page


def pages(visitor: Visitor) -> dict[str, str]:
    """Route's name → the path of a page of it; AssertionError that names the routes which cannot be asked."""
    found, lost = {}, []
    for name, path in _asked():
        answer = visitor.context.request.get(visitor.url + path, max_redirects=0)
        if _is_page(answer):
            found[name] = path
        elif answer.status in (404, 500):
            lost.append(f"{name} at {path} was answered with {answer.status}: give it arguments in routes.py")
    assert not lost, "\n".join(lost)
    return found


def _is_page(answer: APIResponse) -> bool:
    """A whole page; parts of pages, files and redirects are none."""
    is_html = answer.status == 200 and answer.headers.get("content-type", "").startswith("text/html")
    return is_html and "<!doctype html" in answer.text()[:200].lower()


def _asked() -> Iterator[tuple[str, str]]:
    arguments = _arguments()
    for pattern in urls.urlpatterns:
        assert isinstance(pattern, URLPattern)
        name = str(pattern.name)
        if name not in LEADS_ON | NO_PAGES and _is_asked_with_get(pattern):
            needs = pattern.pattern.converters
            yield name, reverse(name, kwargs={key: _argument(arguments, name, key) for key in needs})


def _is_asked_with_get(pattern: URLPattern) -> bool:
    """Those that only take a form say so themselves: asked without their arguments they answer 405 before anything."""
    return not str(pattern.pattern).endswith(("/revoke/", "/end/", "/disconnect/"))


def _argument(arguments: dict[str, dict[str, object]], name: str, key: str) -> object:
    own = arguments.get(name) or arguments.get(name.partition("-")[0]) or {}
    return own.get(key, arguments[""].get(key, 1))  # a page that is not there with 1 says so


def _arguments() -> dict[str, dict[str, object]]:
    """Route, or the first word of it → its own arguments; those of the empty name are everybody's."""
    shop = Project.objects.get(name="shop")
    run = Run.objects.filter(project=shop).latest("number")
    recipient = Recipient.objects.filter(project=shop).latest("pk")
    case, artifact = TestCase.objects.latest("pk"), Artifact.objects.latest("pk")
    everybody: dict[str, object] = {
        "project": shop.name,
        "name": "production",
        "number": run.number,
        "log_id": Log.objects.filter(attempt__stage__run=run).latest("pk").pk,
        "artifact_id": artifact.pk,
        "event_id": Event.objects.filter(project=shop).latest("pk").pk,
        "form": "csv",
        "uidb64": "MQ",
        "token": "long-gone",
        "key": case.key,
    }
    tried = probes.ask(Kind.CLONE_URL, 0, "ana (#1)", {"url": shop.clone_url})
    return {
        "": everybody,
        "project-reached": {"probe_id": tried.pk},
        "test": {"project": case.project.name},
        "pipeline-version": {"project": "basket", "number": 1},
        "preview": {"number": Release.objects.filter(project=shop).order_by("number")[1].number},
        "release": {"number": 1},
        "message": {"recipient_id": recipient.pk, "rule_id": Rule.objects.filter(project=shop).latest("pk").pk},
        "deploy": {"number": Deploy.objects.filter(environment__project=shop).latest("pk").number},
        "schedule": {"project": "engine", "schedule_id": Schedule.objects.latest("pk").pk},
    }
