"""Every address of the server against every kind of person: a route that this table does not know fails the test."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.http.response import HttpResponseBase
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from pipelines.notifications import lifecycle as notifications
from pipelines.notifications.lifecycle import Wish
from pipelines.outbox.models import Message
from pipelines.people import tokens
from pipelines.probes import lifecycle as probes
from pipelines.probes.models import Kind
from pipelines.projects import pipelines
from pipelines.projects.models import Role
from pipelines.runs.models import Artifact
from pipelines.schedules import lifecycle as schedules
from pipelines.screens import lifecycle as screens
from tests.factories import (
    SPEC,
    finish_stage,
    make_deploy,
    make_environment,
    make_live,
    make_operator,
    make_person,
    make_project,
    make_run,
)
from tests.pipelines.reports.reporting import cases, report_stage

pytestmark = pytest.mark.django_db

PEOPLE = ("anonymous", "stranger", "viewer", "developer", "maintainer", "owner", "operator")
SIGN_IN = 302  # to the sign-in page; told apart from other redirects below

# Route → (method, status per person in the order of PEOPLE). "→" is a redirect to the sign-in page, "✓" a page, "done"
# a redirect to where the result is shown.
PAGE = ("get", ("→", 404, "✓", "✓", "✓", "✓", "✓"))
DEVELOPERS = ("→", 404, 403, "done", "done", "done", "done")
MAINTAINERS = ("→", 404, 403, 403, "done", "done", "done")
OWNERS = ("→", 404, 403, 403, 403, "done", "done")
OPERATORS = ("→", 403, 403, 403, 403, 403, "✓")
TABLE = {
    "": ("get", ("→", "✓", "✓", "✓", "✓", "✓", "✓")),
    "sign-in/": ("get", ("✓", "done", "done", "done", "done", "done", "done")),
    "sign-out/": ("post", ("done",) * 7),
    # Nobody is between a password and its second factor; GitHub is not set up.
    "sign-in/second-factor/": ("get", ("done",) * 7),
    "sign-in/forgotten/": ("get", ("✓",) * 7),
    "sign-in/new-password/<uidb64>/<token>/": ("get", ("✓",) * 7),  # which says that no such link was made
    "sign-in/github/": ("post", (404,) * 7),
    "sign-in/github/callback/": ("get", (404,) * 7),
    "account/": ("get", ("→", "✓", "✓", "✓", "✓", "✓", "✓")),
    "account/sessions/end/": ("post", ("→",) + ("done",) * 6),
    "sign-in/with/<slug:provider_id>/": ("post", (404,) * 7),
    "sign-in/with/<slug:provider_id>/callback/": ("get", (404,) * 7),
    "account/<slug:provider_id>/disconnect/": ("post", ("→",) + ("done",) * 6),
    "account/confirm/": ("get", ("→",) + (403,) * 6),
    "account/confirm/code/": ("get", ("→",) + (403,) * 6),
    "account/two-factor/": ("get", ("→", "✓", "✓", "✓", "✓", "✓", "✓")),
    "account/two-factor/app/": ("get", ("→", "✓", "✓", "✓", "✓", "✓", "✓")),
    "account/two-factor/app/remove/": ("get", ("→",) + (404,) * 6),
    "account/two-factor/codes/": ("get", ("→",) + (404,) * 6),
    "account/two-factor/codes/new/": ("get", ("→", "✓", "✓", "✓", "✓", "✓", "✓")),
    "account/two-factor/keys/add/": ("get", ("→", "✓", "✓", "✓", "✓", "✓", "✓")),
    "account/two-factor/keys/<int:pk>/remove/": ("get", ("→",) + (404,) * 6),
    "account/confirm/key/": ("get", ("→",) + (403,) * 6),
    "account/tokens/": ("get", ("→", "✓", "✓", "✓", "✓", "✓", "✓")),
    "account/tokens/<int:token_id>/revoke/": ("post", ("→",) + (404,) * 6),
    "projects/<slug:project>/people/": ("get", ("→", 404, 403, 403, 403, "✓", "✓")),
    "projects/<slug:project>/people/<int:member_id>/": ("post", OWNERS),
    "projects/<slug:project>/tokens/": ("get", ("→", 404, 403, 403, 403, "✓", "✓")),
    "projects/<slug:project>/tokens/<int:token_id>/revoke/": ("post", OWNERS),
    "setup/<str:token>/": ("get", (410,) * 7),
    "healthz": ("get", ("✓",) * 7),
    # No Redis in these tests, so the server is not ready, and says so to everybody.
    "readyz": ("get", (503,) * 7),
    "metrics": ("get", (401, 401, 401, 401, 401, 401, "✓")),
    "cctray.xml": ("get", (401, "✓", "✓", "✓", "✓", "✓", "✓")),
    "calendars/<slug:key>.ics": ("get", (404,) * 7),  # the key is no calendar's; whose it is does not count
    "retention/": ("get", OPERATORS),
    "projects/<slug:project>/retention/": ("get", ("→", 404, 403, 403, 403, "✓", "✓")),
    "projects/<slug:project>/feeds/": PAGE,
    # To whom the project is not shown it is not there, signed in or not: it stands in pages elsewhere.
    "projects/<slug:project>/badge.svg": ("get", (404, 404, "✓", "✓", "✓", "✓", "✓")),
    "projects/<slug:project>/environments/<slug:name>/badge.svg": ("get", (404, 404, "✓", "✓", "✓", "✓", "✓")),
    "events/": ("get", ("→", "✓", "✓", "✓", "✓", "✓", "✓")),
    # Whoever may see nothing is shown a code; who does is in test_wall.
    "wall/": ("get", ("✓",) * 7),
    "screens/": ("get", ("→", "✓", "✓", "✓", "✓", "✓", "✓")),
    # The screen is an owner's: nobody else sees it but operators, and it is revoked once.
    "screens/<int:screen_id>/revoke/": ("post", ("→", 404, 404, 404, 404, "done", 404)),
    "runners/": ("get", ("→", "✓", "✓", "✓", "✓", "✓", "✓")),
    "runners/drain/": ("post", ("→", 403, 403, 403, 403, 403, "done")),
    "queue/": ("get", ("→", "✓", "✓", "✓", "✓", "✓", "✓")),
    "schema/pipeline.json": ("get", ("✓", "✓", "✓", "✓", "✓", "✓", "✓")),
    "logs/<int:log_id>.txt": PAGE,
    "logs/<int:log_id>/rows/": PAGE,
    "logs/<int:log_id>/find/": PAGE,
    "logs/<int:log_id>/first-error/": PAGE,
    "artifacts/<int:artifact_id>/": PAGE,
    "projects/<slug:project>/": PAGE,
    "projects/<slug:project>/events/": PAGE,
    "projects/<slug:project>/events/<int:event_id>/": PAGE,
    "projects/<slug:project>/events/<int:event_id>/replay/": ("post", DEVELOPERS),
    "projects/<slug:project>/runs/<int:number>/": PAGE,
    "projects/<slug:project>/runs/<int:number>/tests/": PAGE,
    "projects/<slug:project>/runs/<int:number>/artifacts/": PAGE,
    "projects/<slug:project>/runs/<int:number>/commits/": PAGE,
    "projects/<slug:project>/start/": PAGE,
    "projects/<slug:project>/pipeline/": PAGE,
    "projects/<slug:project>/pipeline/versions/<int:number>/": PAGE,
    "projects/<slug:project>/pipeline/check/": ("post", ("→", 404, "✓", "✓", "✓", "✓", "✓")),
    # The same edit once more is overtaken: the page comes back with what was typed.
    "projects/<slug:project>/pipeline/save/": ("post", ("→", 404, 403, 403, "done", "✓", "✓")),
    "projects/<slug:project>/pipeline/restore/": ("post", MAINTAINERS),
    "projects/<slug:project>/pipeline/leave/": ("post", MAINTAINERS),
    "projects/<slug:project>/runs/<int:number>/rerun/": ("post", DEVELOPERS),
    "projects/<slug:project>/runs/<int:number>/approve/": ("post", DEVELOPERS),
    "projects/<slug:project>/runs/<int:number>/refuse/": ("post", DEVELOPERS),
    "projects/<slug:project>/runs/<int:number>/let-in/": ("post", MAINTAINERS),
    "projects/<slug:project>/messages/": ("get", ("→", 404, 403, 403, "✓", "✓", "✓")),
    # The form's kind is no kind of recipient: the page comes back and says so.
    "projects/<slug:project>/messages/recipients/": ("post", ("→", 404, 403, 403, 400, 400, 400)),
    "projects/<slug:project>/messages/recipients/<int:recipient_id>/": ("get", ("→", 404, 403, 403, "✓", "✓", "✓")),
    "projects/<slug:project>/messages/recipients/<int:recipient_id>/change/": ("post", MAINTAINERS),
    # It waits to be sent: the page says so.
    "projects/<slug:project>/messages/recipients/<int:recipient_id>/again/": ("post", MAINTAINERS),
    "projects/<slug:project>/messages/rules/<int:rule_id>/": ("get", ("→", 404, 403, 403, "✓", "✓", "✓")),
    # Removed by the first who may, it is no longer there.
    "projects/<slug:project>/messages/rules/<int:rule_id>/remove/": ("post", ("→", 404, 403, 403, "done", 404, 404)),
    "projects/<slug:project>/schedules/": PAGE,
    "projects/<slug:project>/schedules/<int:schedule_id>/": ("post", ("→", 404, 403, 403, "done", "done", "done")),
    "projects/<slug:project>/tests/": PAGE,
    "projects/<slug:project>/trends/": PAGE,
    "projects/<slug:project>/tests/<slug:key>/": PAGE,
    "projects/<slug:project>/runs/<int:number>/cancel/": ("post", ("→", 404, 403, "done", "done", "done", "done")),
    "projects/<slug:project>/deploys/<int:number>/": PAGE,
    "projects/<slug:project>/deploys/<int:number>/cancel/": ("post", ("→", 404, 403, 403, "done", "done", "done")),
    # What this deploy does not ask for is said on its page; who may not press is refused before.
    "projects/<slug:project>/deploys/<int:number>/pause/": ("post", MAINTAINERS),
    "projects/<slug:project>/deploys/<int:number>/stop-and-go-back/": ("post", MAINTAINERS),
    "projects/<slug:project>/deploys/<int:number>/go-on/": ("post", MAINTAINERS),
    "projects/<slug:project>/deploys/<int:number>/accept-hosts/": ("post", MAINTAINERS),
    "projects/<slug:project>/deploys/<int:number>/finish-forward/": ("post", MAINTAINERS),
    "projects/<slug:project>/deploys/<int:number>/bring-back/": ("post", MAINTAINERS),
    "projects/<slug:project>/deploys/<int:number>/approve/": ("post", MAINTAINERS),
    "projects/<slug:project>/deploys/<int:number>/refuse/": ("post", MAINTAINERS),
    "projects/<slug:project>/deploys/<int:number>/override/": ("post", OWNERS),
    "search/": ("get", ("→", "✓", "✓", "✓", "✓", "✓", "✓")),
    "search/logs/": ("get", ("→", "✓", "✓", "✓", "✓", "✓", "✓")),
    "projects/add/": ("get", OPERATORS),
    "projects/add/check/": ("post", ("→", 403, 403, 403, 403, 403, "done")),
    "projects/add/reached/<int:probe_id>/": ("get", OPERATORS),
    "projects/<slug:project>/setup/": ("get", ("→", 404, 403, 403, 403, "✓", "✓")),
    "projects/<slug:project>/setup/ask/": ("post", ("→", 404, 403, 403, 403, 404, 404)),
    # Hosts are not asked for here; nothing was looked at: no keys to approve, and no pipeline to start from.
    "projects/<slug:project>/setup/keys/": ("post", ("→", 404, 403, 403, 403, 404, 404)),
    "projects/<slug:project>/setup/pipeline/": ("post", ("→", 404, 403, 403, 404, 404, 404)),
    "projects/<slug:project>/setup/change/": ("post", OWNERS),
    "projects/<slug:project>/secrets/": ("get", ("→", 404, 403, 403, 403, "✓", "✓")),
    "projects/<slug:project>/secrets/remove/": ("post", OWNERS),
    "environments/": ("get", ("→", "✓", "✓", "✓", "✓", "✓", "✓")),
    "audit/": ("get", OPERATORS),
    "audit/export.<slug:form>": ("get", OPERATORS),
    "audit/verify/": ("post", ("→", 403, 403, 403, 403, 403, "done")),
    "projects/<slug:project>/environments/<slug:name>/": PAGE,
    "projects/<slug:project>/environments/<slug:name>/delivery/": PAGE,
    "projects/<slug:project>/environments/<slug:name>/releases/<int:number>/": PAGE,
    "projects/<slug:project>/environments/<slug:name>/releases/<int:number>/lift/": ("post", MAINTAINERS),
    "projects/<slug:project>/environments/<slug:name>/repair/": ("post", MAINTAINERS),
    "projects/<slug:project>/environments/<slug:name>/lock/": ("post", MAINTAINERS),
    "projects/<slug:project>/environments/<slug:name>/unlock/": ("post", ("→", 404, 403, 403, 404, 404, 404)),
    "projects/<slug:project>/environments/<slug:name>/queue/pause/": ("post", MAINTAINERS),
    "projects/<slug:project>/environments/<slug:name>/queue/resume/": ("post", MAINTAINERS),
    "projects/<slug:project>/environments/<slug:name>/queue/first/": ("post", MAINTAINERS),
    # Withdrawn by the first who may, it no longer waits.
    "projects/<slug:project>/environments/<slug:name>/queue/withdraw/": (
        "post",
        ("→", 404, 403, 403, "done", 404, 404),
    ),
    "projects/<slug:project>/environments/<slug:name>/deploy/": (
        "post",
        ("→", 404, 403, 403, "done", "done", "done"),
    ),
    "projects/<slug:project>/environments/<slug:name>/roll-back/": (
        "post",
        ("→", 404, 403, 403, "done", "done", "done"),
    ),
    "projects/<slug:project>/environments/<slug:name>/hosts/": PAGE,
    "projects/<slug:project>/environments/<slug:name>/hosts/ask/": (
        "post",
        ("→", 404, 403, 403, "done", "done", "done"),
    ),
    # Without a scan there is nothing to approve: those who may get 404, the others are refused before.
    "projects/<slug:project>/environments/<slug:name>/hosts/approve/": ("post", ("→", 404, 403, 403, 404, 404, 404)),
}
POSTED = [route for route, (method, _) in TABLE.items() if method == "post"]
# Not ours: the admin admits operators alone (test_admin), webhooks are signed (their own tests), and the API has a
# table of its own (tests/server/api/test_who_may_ask_what).
ELSEWHERE = ("admin/", "hooks/", "api/v1/")


@dataclass(frozen=True)
class Stand:
    """What the addresses of the table name."""

    arguments: dict[str, object]
    form: dict[str, object]
    people: dict[str, User | None]


@pytest.fixture
def stand() -> Stand:
    project = make_project()
    environment = make_environment(project)
    first = make_live(environment).release
    second = make_live(environment).release
    deploy = make_deploy(environment, second)
    run = make_run(project)
    attempt = finish_stage(run)
    artifact = Artifact.objects.get(attempt=attempt)
    report = report_stage(make_run(project), cases([], ["a"]), stage="build")
    people: dict[str, User | None] = {role: make_person(project=project, role=Role(role)) for role in Role.values}
    arguments = {
        "project": project.name,
        "name": environment.name,
        "number": 1,
        "log_id": attempt.log_id,
        "artifact_id": artifact.pk,
        "event_id": run.events.get().pk,
        "token": "nothing",
        "probe_id": probes.ask(Kind.CLONE_URL, 0, "ana (#1)", {"url": "/srv/git/shop.git"}).pk,
        "form": "csv",
        "key": report.results.get().test.key,
        "provider_id": "oidc",
        "pk": 0,
        "member_id": project.members.get(role=Role.VIEWER).pk,
        "token_id": tokens.machine(project, Role.VIEWER, "a program", [], None, by="ana")[0].pk,
        "schedule_id": schedules.make(project, "nightly", "30 2 * * *", "UTC", "", {}, "ana").pk,
    }
    hearing = notifications.add_recipient(project, "slack", "#shop", "", "ana (#1)")
    heard = notifications.add_rule(hearing, Wish(["run.failed"]), "ana (#1)")
    notifications.send_test(hearing, "ana (#1)")
    arguments |= {"recipient_id": hearing.pk, "rule_id": heard.pk}
    message = Message.objects.get(target=hearing.pk)
    pipelines.keep(project, SPEC, "ana (#1)")
    owner = people["owner"]
    assert owner is not None
    arguments["screen_id"] = screens.pair(owner, "kitchen", "ABCD2345", [project], by="ana (#1)").pk
    edit = {"text": SPEC, "based_on": 1, "number": 1, "stage": "build", "sha": run.sha}
    lock = {"why": "a test", "level": "warn", "seconds": "3600", "lock": 0}
    form = {**edit, **lock, "release": first.number, "live": second.number, "kind": "inventory"}
    form |= {"deploy": deploy.number, "address": "#other", "message": message.pk}
    return Stand(arguments, form, {**people, "anonymous": None, "stranger": make_person(), "operator": make_operator()})


def routes(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[str]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        else:
            yield route


def test_every_route_of_the_server_is_in_the_table() -> None:
    known = [route for route in routes(get_resolver().url_patterns) if not route.startswith(ELSEWHERE)]
    assert sorted(set(known)) == sorted(TABLE)  # the sign-in page has a second name, by which allauth knows it


def test_each_person_gets_what_the_table_says(stand: Stand) -> None:
    wrong = {}
    for route, (method, expected) in TABLE.items():
        with _undone():
            found = tuple(answer(route, method, stand, stand.people[person]) for person in PEOPLE)
        if found != expected:
            wrong[route] = {who: pair for who, *pair in zip(PEOPLE, found, expected, strict=True) if len(set(pair)) > 1}
    assert wrong == {}


def test_what_changes_something_is_not_done_by_a_get(stand: Stand) -> None:
    client = Client()
    client.force_login(make_operator())
    assert _answers(lambda route: client.get(address(route, stand))) == dict.fromkeys(POSTED, 405)


def test_what_changes_something_needs_the_form_s_token(stand: Stand) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_operator())
    assert _answers(lambda route: client.post(address(route, stand), stand.form)) == dict.fromkeys(POSTED, 403)


def _answers(ask: Callable[[str], HttpResponseBase]) -> dict[str, int]:
    return {route: ask(route).status_code for route in POSTED}


@contextmanager
def _undone() -> Iterator[None]:
    """What one route's people change, the next route's do not find."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def address(route: str, stand: Stand) -> str:
    path = route
    for name, value in stand.arguments.items():
        for kind in ("slug", "int", "str"):
            path = path.replace(f"<{kind}:{name}>", str(value))
    return f"/{path}"


def answer(route: str, method: str, stand: Stand, person: User | None) -> object:
    client = Client()
    if person is not None:
        client.force_login(person)
    response = getattr(client, method)(address(route, stand), stand.form if method == "post" else None)
    if response.status_code == SIGN_IN:
        signs_in = response["Location"].startswith("/sign-in/?next=")
        return "→" if signs_in else "done"
    return "✓" if response.status_code == 200 else response.status_code
