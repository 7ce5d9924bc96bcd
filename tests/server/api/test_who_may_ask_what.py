"""Every operation of the API against every kind of caller: one that this table does not know fails the test."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from pipelines.people import tokens
from pipelines.people.models import Scope
from pipelines.projects.models import Role
from server.api.door import api
from tests.factories import SPEC, make_operator
from tests.server.api.stand import Stand, bearing, make_people, make_stand, token_of

pytestmark = pytest.mark.django_db

PREFIX = "/api/v1"
CALLERS = ("stranger", "viewer", "developer", "maintainer", "owner", "operator")
ANYBODY = "stranger"


@dataclass(frozen=True)
class Op:
    """The least caller who may, what they get, and what they send; what those get who may not, where it is neither 404
    for a stranger nor 403 for all others."""

    least: str
    status: int = 200
    body: Mapping[str, Any] | None = None
    query: str = ""
    refused: int | None = None


PROJECT = "/projects/{project}"
RUN = PROJECT + "/runs/{number}"
ENVIRONMENT = PROJECT + "/environments/{environment}"
DEPLOY = PROJECT + "/deploys/{number}"
RECIPIENT = PROJECT + "/recipients/{recipient}"
EDIT = {"text": SPEC, "based_on": 1}
# What a deploy or stage does not ask for is a conflict, told to those alone who might have said it.
TABLE = {
    "GET /me": Op(ANYBODY),
    "GET /projects": Op(ANYBODY),
    "GET /environments": Op(ANYBODY),
    "GET /events": Op(ANYBODY),
    "GET /queue": Op(ANYBODY),
    "GET /runners": Op(ANYBODY),
    "GET /search": Op(ANYBODY, query="?q=thing"),
    "POST /lint": Op(ANYBODY, body={"text": SPEC}),
    "GET /audit": Op("operator"),
    "GET /audit/export.csv": Op("operator"),
    "GET /audit/export.json": Op("operator"),
    "POST /audit/verification": Op("operator", 202),
    "GET /audit/verification": Op("operator"),
    "POST /runners/{name}/drain": Op("operator", body={}),
    "POST /runners/{name}/undrain": Op("operator"),
    "GET /wall": Op(ANYBODY),
    "GET /screens": Op(ANYBODY),
    "POST /screens": Op("owner", 201, {"code": "ABCD-2345"}, refused=403),
    "DELETE /screens/{screen}": Op("operator", 204, refused=404),  # it is another person's
    "GET /me/tokens": Op(ANYBODY),
    "POST /me/tokens": Op(ANYBODY, 403, {"name": "x", "expires_at": None}),  # all of these come with a token
    "DELETE /me/tokens/{token}": Op(ANYBODY, 404),
    "GET /retention": Op("operator"),
    "PUT /retention": Op("operator", body={"logs_days": 90}),
    "GET /retention/preview": Op("operator", query="?logs_days=90"),
    "POST /projects": Op("operator", 201, {"name": "new", "clone_url": "https://git.example.org/new.git"}),
    "POST /looks/clone_url": Op("operator", 202, {"clone_url": "https://git.example.org/new.git"}),
    "GET /looks/clone_url/{probe_id}": Op("operator"),
    f"GET {PROJECT}": Op("viewer"),
    f"PATCH {PROJECT}": Op("owner", body={"default_branch": "trunk"}),
    f"GET {PROJECT}/setup": Op("owner"),
    f"POST {PROJECT}/setup/looks/{{kind}}": Op("owner", 202),
    f"POST {PROJECT}/setup/keys": Op("owner", 404, {"scan": 1, "keys": ["SHA256:1"]}),
    f"POST {PROJECT}/setup/pipeline": Op("maintainer", 409, {}),
    f"GET {PROJECT}/members": Op("owner"),
    f"GET {PROJECT}/teams": Op("owner"),
    f"POST {PROJECT}/members": Op("owner", 201, {"team": "outsiders"}),
    f"PATCH {PROJECT}/members/{{member}}": Op("owner", body={"role": "developer"}),
    f"DELETE {PROJECT}/members/{{member}}": Op("owner", 204),
    f"GET {PROJECT}/tokens": Op("owner"),
    f"POST {PROJECT}/tokens": Op("owner", 201, {"name": "x", "role": "viewer", "expires_at": None}),
    f"DELETE {PROJECT}/tokens/{{token}}": Op("owner", 204),
    f"GET {PROJECT}/recipients": Op("maintainer"),
    f"POST {PROJECT}/recipients": Op("maintainer", 201, {"kind": "slack", "address": "#shop"}),
    f"GET {RECIPIENT}": Op("maintainer"),
    f"DELETE {RECIPIENT}": Op("maintainer", 204),
    f"POST {RECIPIENT}/secret": Op("maintainer"),
    f"POST {RECIPIENT}/test": Op("maintainer", 202),
    f"GET {RECIPIENT}/messages": Op("maintainer"),
    f"POST {RECIPIENT}/messages/{{message}}/again": Op("maintainer", 202),
    f"GET {PROJECT}/rules": Op("maintainer"),
    f"POST {PROJECT}/rules": Op("maintainer", 422, {"recipient": 2**31 - 1, "topics": ["run.failed"]}),
    f"PUT {PROJECT}/rules/{{rule}}": Op("maintainer", 422, {"recipient": 2**31 - 1, "topics": ["run.failed"]}),
    f"DELETE {PROJECT}/rules/{{rule}}": Op("maintainer", 204),
    f"GET {PROJECT}/retention": Op("owner"),
    f"PUT {PROJECT}/retention": Op("owner", body={"logs_days": 90}),
    f"GET {PROJECT}/retention/preview": Op("owner", query="?logs_days=90"),
    f"GET {PROJECT}/trends": Op("viewer"),
    f"GET {ENVIRONMENT}/delivery": Op("viewer"),
    f"GET {PROJECT}/runs": Op("viewer"),
    f"POST {PROJECT}/runs": Op("developer", 201, {}),
    f"GET {RUN}": Op("viewer"),
    f"GET {RUN}/tests": Op("viewer"),
    f"GET {RUN}/commits": Op("viewer"),
    f"GET {PROJECT}/tests": Op("viewer"),
    f"GET {PROJECT}/tests/{{test}}": Op("viewer"),
    f"POST {RUN}/cancel": Op("developer"),
    f"POST {RUN}/rerun": Op("developer", 201, {}),
    f"POST {RUN}/stages/{{stage}}/approve": Op("developer", 409, {}),
    f"POST {RUN}/stages/{{stage}}/refuse": Op("developer", 409, {}),
    f"POST {RUN}/let-in": Op("maintainer", 409, {"sha": "0" * 40}),
    "GET /artifacts/{artifact}": Op("viewer"),
    "GET /logs/{log}": Op("viewer"),
    "GET /logs/{log}.txt": Op("viewer"),
    "GET /logs/{log}/find": Op("viewer", query="?q=one"),
    "GET /logs/{log}/first-error": Op("viewer"),
    "GET /logs/{log}/events": Op("viewer"),
    f"GET {PROJECT}/events": Op("viewer"),
    f"GET {PROJECT}/events/{{event}}": Op("viewer"),
    f"POST {PROJECT}/events/{{event}}/replay": Op("developer", 409),
    f"GET {PROJECT}/schedules": Op("viewer"),
    f"POST {PROJECT}/schedules": Op("maintainer", 201, {"name": "weekly", "cron": "0 3 * * 1"}),
    f"PATCH {PROJECT}/schedules/{{schedule}}": Op("maintainer", body={"is_paused": True}),
    f"DELETE {PROJECT}/schedules/{{schedule}}": Op("maintainer", 204),
    f"GET {PROJECT}/pipeline": Op("viewer"),
    f"PUT {PROJECT}/pipeline": Op("maintainer", 201, EDIT),
    f"GET {PROJECT}/pipeline/versions": Op("viewer"),
    f"GET {PROJECT}/pipeline/versions/{{version}}": Op("viewer"),
    f"GET {PROJECT}/badges": Op("viewer"),
    f"PUT {PROJECT}/badges": Op("owner", body={"is_public": True}),
    f"POST {PROJECT}/badges/key": Op("owner"),
    f"POST {PROJECT}/pipeline/restore": Op("maintainer", 201, {"number": 1, "based_on": 1}),
    f"POST {PROJECT}/pipeline/leave": Op("maintainer"),
    f"GET {PROJECT}/secrets": Op("owner"),
    f"PUT {PROJECT}/secrets/{{name}}": Op("owner", 422, {"value": "12345678"}),  # a runner's name is none of a secret
    f"DELETE {PROJECT}/secrets/{{name}}": Op("owner", 404),
    f"GET {PROJECT}/releases": Op("viewer"),
    f"GET {PROJECT}/releases/{{number}}": Op("viewer"),
    f"POST {PROJECT}/releases/{{number}}/lift": Op("maintainer", 409, {"why": "a test"}),
    f"GET {PROJECT}/environments": Op("viewer"),
    f"GET {ENVIRONMENT}": Op("viewer"),
    f"GET {ENVIRONMENT}/preview": Op("viewer", query="?release=1"),
    f"GET {ENVIRONMENT}/variables": Op("viewer"),
    f"PUT {ENVIRONMENT}/variables": Op("owner", body={"values": {"A": "1"}}),
    f"PUT {ENVIRONMENT}/secrets/{{name}}": Op("owner", 422, {"value": "12345678"}),
    f"DELETE {ENVIRONMENT}/secrets/{{name}}": Op("owner", 404),
    f"POST {ENVIRONMENT}/deploys": Op("maintainer", 201, {"release": 1}),
    f"POST {ENVIRONMENT}/rollback": Op("maintainer", 201, {}),
    f"POST {ENVIRONMENT}/repair": Op("maintainer", 409, {}),
    f"POST {ENVIRONMENT}/lock": Op("maintainer", body={"reason": "a test"}),
    f"POST {ENVIRONMENT}/unlock": Op("maintainer", 409, {}),
    f"POST {ENVIRONMENT}/queue/pause": Op("maintainer", body={"why": "a test"}),
    f"POST {ENVIRONMENT}/queue/resume": Op("maintainer", 409, {}),
    f"POST {ENVIRONMENT}/queue/first": Op("maintainer", body={"deploy": 3, "why": "a test"}),
    f"POST {ENVIRONMENT}/hosts/looks/{{look}}": Op("maintainer", 202),
    f"GET {ENVIRONMENT}/hosts/looks/{{look}}": Op("viewer"),
    f"GET {ENVIRONMENT}/hosts/keys": Op("viewer"),
    f"POST {ENVIRONMENT}/hosts/keys": Op("maintainer", 404, {"scan": 1, "keys": ["10.0.0.1:22 SHA256:1"]}),
    f"GET {PROJECT}/deploys": Op("viewer"),
    f"GET {DEPLOY}": Op("viewer"),
    f"POST {DEPLOY}/cancel": Op("maintainer", body={}),
    f"POST {DEPLOY}/stop-and-go-back": Op("maintainer", 201, {}),
    f"POST {DEPLOY}/pause": Op("maintainer"),
    f"POST {DEPLOY}/go-on": Op("maintainer", 409, {}),
    f"POST {DEPLOY}/accept-hosts": Op("maintainer", 409, {"plan": "0"}),
    f"POST {DEPLOY}/finish-forward": Op("maintainer", 409, {}),
    f"POST {DEPLOY}/bring-back": Op("maintainer", 409, {}),
    f"POST {DEPLOY}/approve": Op("maintainer", 409, {"plan": "0"}),
    f"POST {DEPLOY}/refuse": Op("maintainer", 409, {}),
    f"POST {DEPLOY}/override": Op("owner", body={"why": "a test"}),
}
# Where somebody's word is given or taken: a machine has none.
OF_PEOPLE = (
    f"POST {RUN}/stages/{{stage}}/approve",
    f"POST {RUN}/stages/{{stage}}/refuse",
    f"POST {RUN}/let-in",
    f"POST {DEPLOY}/approve",
    f"POST {DEPLOY}/refuse",
    f"POST {DEPLOY}/override",
    f"POST {ENVIRONMENT}/hosts/keys",
    f"POST {PROJECT}/setup/keys",
    f"POST {PROJECT}/tokens",
    "POST /screens",
)
OPEN = {"openapi.json", ""}  # the description, and what there is none of


def test_every_operation_is_in_the_table() -> None:
    described = api.get_openapi_schema(path_prefix="")["paths"]
    known = [f"{method.upper()} {path}" for path, methods in described.items() for method in methods]
    assert sorted(known) == sorted(TABLE)


def test_every_route_of_the_api_belongs_to_an_operation_or_is_open() -> None:
    found = {
        route.removeprefix("api/v1/") for route in _routes(get_resolver().url_patterns) if route.startswith("api/")
    }
    described = {str(path) for path in api.get_openapi_schema(path_prefix="")["paths"]}
    plain = {"/" + _plain(route) for route in found - OPEN}
    assert plain == described


def test_each_person_gets_what_the_table_says() -> None:
    stand = make_stand()
    people = make_people(stand.project)
    clients = {name: bearing(token_of(person)) for name, person in people.items() if person is not None}
    assert _differences(stand, {name: clients[name] for name in CALLERS}, {}) == {}


def test_each_machine_gets_what_its_role_may_but_gives_nobody_s_word() -> None:
    stand = make_stand()
    clients = {role: _machine(stand, Role(role)) for role in Role.values}
    assert _differences(stand, clients, dict.fromkeys(OF_PEOPLE, 403)) == {}


def test_without_a_token_nobody_gets_anything() -> None:
    stand = make_stand()
    answers = {name: _ask(Client(), stand, name) for name in TABLE}
    assert set(answers.values()) == {401}


def test_a_token_to_read_changes_nothing() -> None:
    stand = make_stand()
    reader = bearing(token_of(make_people(stand.project)["owner"] or User(), Scope.READ))
    changes = [name for name in TABLE if not name.startswith("GET") and TABLE[name].least != ANYBODY]
    assert {name: _ask(reader, stand, name) for name in changes} == dict.fromkeys(changes, 403)


def test_a_browser_s_session_changes_nothing_without_its_csrf_token() -> None:
    stand = make_stand()
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_operator())
    changes = [name for name in TABLE if not name.startswith("GET")]
    assert {name: _ask(client, stand, name) for name in changes} == dict.fromkeys(changes, 403)
    assert client.get("/api/v1/me").status_code == 200


def _differences(stand: Stand, clients: Mapping[str, Client], instead: Mapping[str, int]) -> dict[str, object]:
    """Operation and caller → what they got and should have; each asks in a transaction that is rolled back."""
    found: dict[str, object] = {}
    for name, op in TABLE.items():
        for who, client in clients.items():
            expected = _expected(op, who)
            expected = instead.get(name, expected) if expected == op.status else expected
            with transaction.atomic():
                got = _ask(client, stand, name)
                transaction.set_rollback(True)
            if got != expected:
                found[f"{name} by {who}"] = (got, expected)
    return found


def _expected(op: Op, who: str) -> int:
    if CALLERS.index(who) >= CALLERS.index(op.least):
        return op.status
    return op.refused or (403 if who != "stranger" or op.least == "operator" else 404)


def _ask(client: Client, stand: Stand, name: str) -> int:
    method, path = name.split()
    op = TABLE[name]
    for key, value in stand.names.items():
        path = path.replace(f"{{{key}}}", str(value))
    body = None if op.body is None else json.dumps(op.body)
    address = f"{PREFIX}{path}{op.query}"
    if body is None:
        return int(client.generic(method, address).status_code)
    return int(client.generic(method, address, body, "application/json").status_code)


def _machine(stand: Stand, role: Role) -> Client:
    _, text = tokens.machine(stand.project, role, "a script", list(Scope), None, by="test")
    return bearing(text)


def _routes(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[str]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern.url_patterns, route)
        else:
            yield route


def _plain(route: str) -> str:
    """projects/<slug:project> as the description has it: projects/{project}."""
    parts = route.replace("<", "{").replace(">", "}")
    for kind in ("slug:", "int:"):
        parts = parts.replace("{" + kind, "{")
    return parts
