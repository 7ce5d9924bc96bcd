"""Errors under the API's addresses that another hand made, Django's or a middleware's: told as the API tells all."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, cast

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from server.api import problems

PREFIX = "/api/v1/"
# What the answer says of itself; of what the problem takes the place of, the rest still counts: Allow, Vary, cookies.
_OF_THE_BODY = ("Content-Type", "Content-Length", "Content-Encoding", "Content-Disposition")
_WORDS = {
    400: "this is no request that the API understands",
    403: "you may not do this now",
    404: "the API has no such address: see /api/v1/openapi.json",
    413: "more was sent than is taken at once",
    500: "Slipway broke on this request; its log says why",
}

Answer = Callable[[HttpRequest], Any]


@sync_and_async_middleware
def problems_for_programs(get_response: Answer) -> Answer:
    """Every error of the API is a problem, whoever refused."""
    if iscoroutinefunction(get_response):

        async def answer_later(request: HttpRequest) -> HttpResponseBase:
            return _told(request, await cast(Awaitable[HttpResponseBase], get_response(request)))

        return answer_later

    def answer(request: HttpRequest) -> HttpResponseBase:
        return _told(request, cast(HttpResponseBase, get_response(request)))

    return answer


def _told(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    if response.status_code < 400 or not request.path_info.startswith(PREFIX):
        return response
    if response.headers.get("Content-Type") == problems.CONTENT_TYPE:
        return response
    told = problems.answer(response.status_code, _detail(response))
    for name, value in response.headers.items():
        if name not in _OF_THE_BODY:
            told.headers[name] = value
    told.headers["Content-Length"] = str(len(told.content))
    told.cookies = response.cookies
    return told


def _detail(response: HttpResponseBase) -> str:
    """Words of ours are kept; the pages that Django makes are not for programs."""
    status, kind = response.status_code, response.headers.get("Content-Type", "")
    if status == 405:
        return f"this address takes {response.headers.get('Allow', 'another method')}"
    if kind.startswith("text/plain"):
        return bytes(getattr(response, "content", b"")).decode(errors="replace").strip()[:300]
    return _WORDS.get(status, HTTPStatus(status).phrase)
