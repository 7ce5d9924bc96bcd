"""The API against its own description: schemathesis asks what the schema allows, and what it does not."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given, settings
from pytest_django import Settings
from schemathesis import APIOperation, Case, GenerationMode, openapi
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from pipelines.projects.models import Role
from tests.factories import make_operator, make_person
from tests.server.api.stand import Stand, token_of

pytestmark = pytest.mark.django_db

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
FEW = settings(
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(autouse=True)
def _asked_without_end(settings: Settings) -> Iterator[None]:
    """Nobody is counted, and no request closes the connection that holds the test's transaction."""
    settings.SLIPWAY_API_REQUESTS_A_MINUTE = 0
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def test_an_operator_finds_nothing_that_the_description_does_not_tell(stand: Stand) -> None:
    assert _found(stand, token_of(make_operator()), examples=3) == []


def test_a_viewer_finds_nothing_that_the_description_does_not_tell(stand: Stand) -> None:
    assert _found(stand, token_of(make_person(project=stand.project, role=Role.VIEWER)), examples=1) == []


def _found(stand: Stand, token: str, examples: int) -> list[str]:
    """What was wrong, each with the request that shows it; of each operation and manner so many are made.

    Each request's changes are rolled back.
    """
    wrong: list[str] = []
    schema = openapi.from_wsgi("/api/v1/openapi.json", get_wsgi_application())
    for operation in (result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)):
        for strategy in _manners(operation, stand):

            @settings(FEW, max_examples=examples)
            @given(case=strategy)
            def ask(case: Case[Any]) -> None:
                with transaction.atomic():
                    _ask(case, token, wrong)
                    transaction.set_rollback(True)

            ask()
    return wrong


def _manners(operation: APIOperation[Any, Any, Any, Any], stand: Stand) -> Iterator[Any]:
    """What the description allows and what it does not, of what is there; and anything at all."""
    there = {one.name: stand.names[one.name] for one in operation.path_parameters}
    yield operation.as_strategy(path_parameters=there)
    if operation.body or operation.query:
        yield operation.as_strategy(GenerationMode.NEGATIVE, path_parameters=there)
    if there:
        yield operation.as_strategy()


def _ask(case: Case[Any], token: str, wrong: list[str]) -> None:
    try:
        case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, checks=CHECKS)
    except FailureGroup as group:
        wrong.append(f"{case.as_curl_command()}: {'; '.join(str(one) for one in group.exceptions)}"[:1500])
