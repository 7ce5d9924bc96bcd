"""Answers that are sent piece by piece, whatever server is in front."""

from collections.abc import AsyncIterator, Iterator
from functools import partial

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse


def streamed(request: HttpRequest, pieces: Iterator[bytes], content_type: str) -> StreamingHttpResponse:
    """Under ASGI Django would first gather a plain iterator whole in memory, so it gets an asynchronous one."""
    content = _one_by_one(pieces) if isinstance(request, ASGIRequest) else pieces
    return StreamingHttpResponse(content, content_type=content_type, headers={"X-Content-Type-Options": "nosniff"})


async def _one_by_one(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    step = sync_to_async(partial(next, pieces, b""))
    while piece := await step():
        yield piece
