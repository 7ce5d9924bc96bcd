"""What went wrong, as `application/problem+json` (RFC 9457): one table from our errors to HTTP's."""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.core.exceptions import ValidationError as BadFields
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI, Schema
from ninja.errors import AuthenticationError, HttpError, Throttled, ValidationError

from pipelines.deploys.locks import BadLock
from pipelines.deploys.reasons import NoReason
from pipelines.errors import LostRace, SystemFault, UserError
from pipelines.finding.lines import Busy
from pipelines.notifications.addresses import BadAddress
from pipelines.notifications.lifecycle import BadRule
from pipelines.projects.clone_urls import BadCloneUrl
from pipelines.projects.lifecycle import BadProject
from pipelines.projects.vault import BadSecret
from pipelines.retention.rules import BadRule as BadRetention
from pipelines.roster.lifecycle import NobodyThere
from pipelines.runs.approvals import NotYours
from pipelines.runs.receiving import BadRef
from pipelines.schedules.lifecycle import BadSchedule
from pipelines.screens.lifecycle import BadCode
from pipelines.spec.cron import BadCron, BadTimeZone
from pipelines.spec.errors import SpecError
from pipelines.spec.parameters import BadParameters

CONTENT_TYPE = "application/problem+json"
UNSEEN = "there is nothing of that name or number, or you may not see it"
_BAD_INPUT = (
    BadAddress,
    BadCloneUrl,
    BadCode,
    BadCron,
    BadLock,
    BadParameters,
    BadProject,
    BadRef,
    BadRetention,
    BadRule,
    BadSchedule,
    BadSecret,
    BadTimeZone,
    NoReason,
)

logger = logging.getLogger(__name__)


class Fault(Schema):
    """One thing that is wrong: `where` is the field, or `file:line:column` of a pipeline."""

    where: str
    message: str


class Problem(Schema):
    """Why it was not done, in words: `detail` is for people to read."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[Fault] = []


def answer(
    status: int, detail: str, errors: Sequence[Fault] = (), headers: Mapping[str, str] | None = None
) -> HttpResponse:
    problem = Problem(title=title(status), status=status, detail=detail, errors=list(errors))
    return HttpResponse(json.dumps(problem.model_dump()), CONTENT_TYPE, status, headers=headers)


def title(status: int) -> str:
    return HTTPStatus(status).phrase


def install(api: NinjaAPI) -> None:
    """Ninja asks for the handler of an error's nearest class."""
    for error, status in _STATUS.items():
        api.add_exception_handler(error, _handler(status))
    for error, handler in _TOLD.items():
        api.add_exception_handler(error, handler)


_STATUS: dict[type[Exception], int] = {
    PermissionDenied: 403,
    NotYours: 403,
    NobodyThere: 404,
    LostRace: 409,
    UserError: 409,  # a gate refuses, or there is nothing to do it to
    **dict.fromkeys(_BAD_INPUT, 422),
    RequestDataTooBig: 413,
    SystemFault: 503,
}


def _handler(status: int) -> Any:
    return lambda _, error: answer(status, str(error) or HTTPStatus(status).phrase)


def _stranger(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    told = "show a token, as `Authorization: Bearer slip_…`, or sign in"
    detail = told if error.message == "Unauthorized" else error.message
    return answer(401, detail, headers={"WWW-Authenticate": 'Bearer realm="Slipway"'})


def _too_many(request: HttpRequest, error: Throttled) -> HttpResponse:
    wait = str(error.wait or 1)
    return answer(429, f"too many requests: come again in {wait} s", headers={"Retry-After": wait})


def _http(request: HttpRequest, error: HttpError) -> HttpResponse:
    """A body that is no JSON at all is as bad an input as any other."""
    return answer(422 if error.status_code == 400 else error.status_code, str(error))


def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    faults = [Fault(where=_where(one["loc"]), message=str(one["msg"])) for one in error.errors]
    return answer(422, "; ".join(f"{one.where}: {one.message}" for one in faults[:3]), faults)


def _where(place: Iterable[object]) -> str:
    """body.reason: without the name of our own function's argument."""
    parts = [str(part) for part in place]
    return ".".join(part for position, part in enumerate(parts) if position != 1 or part != "given")


def _bad_fields(request: HttpRequest, error: BadFields) -> HttpResponse:
    named = error.message_dict if hasattr(error, "error_dict") else {"": error.messages}
    faults = [Fault(where=name, message=text) for name, texts in named.items() for text in texts]
    return answer(422, " ".join(one.message for one in faults), faults)


def _spec(request: HttpRequest, error: SpecError) -> HttpResponse:
    places = [f"{one.path or error.path}:{one.line}:{one.column}" for one in error.problems]
    words = [f"{one.key_path} {one.message}".strip() for one in error.problems]
    faults = [Fault(where=where, message=message) for where, message in zip(places, words, strict=True)]
    return answer(422, str(error), faults)


def _broken(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.exception("%s %s broke", request.method, request.path, exc_info=error)
    return answer(500, "Slipway broke on this request; its log says why")


_TOLD: dict[type[Exception], Any] = {
    AuthenticationError: _stranger,
    Throttled: _too_many,
    Busy: lambda _, error: answer(429, str(error), headers={"Retry-After": "3"}),
    HttpError: _http,
    Http404: lambda _, error: answer(404, UNSEEN),
    ValidationError: _invalid,
    BadFields: _bad_fields,
    SpecError: _spec,
    Exception: _broken,
}
