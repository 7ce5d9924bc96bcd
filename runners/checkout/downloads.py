"""HTTP for files that a code host keeps: to the hosts that are allowed, encrypted, bounded in size and time."""

import json
import os
import ssl
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

from pipelines.errors import UserError

MAX_ANSWER_BYTES = 4 * 1024 * 1024
_SILENCE_SECONDS = 60
_BLOCK = 65536


class Unreachable(UserError):
    """A host that is not allowed, does not answer, or refuses."""


@dataclass(frozen=True, slots=True)
class Server:
    """A code host, `own` as `host` or `host:port`, and the others that may keep its files."""

    own: str
    others: frozenset[str] = frozenset()
    allow_http: bool = False
    timeout_seconds: float = 300

    def is_own(self, url: str) -> bool:
        return urlsplit(url).netloc == self.own

    def ask(self, url: str, headers: Mapping[str, str], question: Any) -> Any:
        """The JSON answer to a JSON question. Raises Unreachable."""
        raw = b"".join(self._read(url, headers, json.dumps(question).encode(), MAX_ANSWER_BYTES))
        try:
            return json.loads(raw)
        except ValueError as error:
            raise Unreachable(f"what {urlsplit(url).netloc} answers is not JSON") from error

    def blocks(self, url: str, headers: Mapping[str, str], size: int) -> Iterator[bytes]:
        """What lies there, at most one byte more than `size`, as it comes. Raises Unreachable."""
        return self._read(url, headers, None, size + 1)

    def check(self, url: str) -> None:
        """Raises Unreachable unless it is an address at an allowed host."""
        try:
            parts = urlsplit(url)
            known = parts.netloc in {self.own, *self.others}
        except ValueError as error:
            raise Unreachable("the code host gave something that is no address") from error
        if parts.scheme != "https" and not (self.allow_http and parts.scheme == "http"):
            raise Unreachable(f"the code host keeps it on {parts.netloc[:200]!r} without encryption")
        if not known:
            raise Unreachable(
                f"the code host keeps it on {parts.netloc[:200]!r}: if that is as it should be, add the host to the"
                " LFS hosts in the project's settings"
            )

    def _read(self, url: str, headers: Mapping[str, str], body: bytes | None, most: int) -> Iterator[bytes]:
        self.check(url)
        ends = time.monotonic() + self.timeout_seconds
        request = urllib.request.Request(url, body, dict(headers))  # noqa: S310  checked above
        try:
            with self._opener().open(request, timeout=min(_SILENCE_SECONDS, self.timeout_seconds)) as answer:
                yield from _bounded(answer, most, ends)
        except HTTPError as error:
            error.close()
            raise Unreachable(f"{urlsplit(url).netloc} answered {error.code}") from error
        except (OSError, HTTPException, ValueError) as error:
            raise Unreachable(f"{urlsplit(url).netloc} did not answer: {error}") from error

    def _opener(self) -> urllib.request.OpenerDirector:
        trust = os.environ.get("GIT_SSL_CAINFO") or os.environ.get("SSL_CERT_FILE")
        context = ssl.create_default_context(cafile=trust)
        return urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _Redirects(self))


class _Redirects(urllib.request.HTTPRedirectHandler):
    """To allowed hosts only, and what one host is shown is not shown to the next."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        self._server.check(newurl)
        following = super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]
        if following is not None and urlsplit(newurl).netloc != urlsplit(req.full_url).netloc:
            shown = {name: following.headers[name] for name in ("Accept", "User-agent") if name in following.headers}
            following.headers = shown
        return following


def _bounded(answer: IO[bytes], most: int, ends: float) -> Iterator[bytes]:
    while most > 0 and (block := answer.read(min(_BLOCK, most))):
        most -= len(block)
        yield block
        if time.monotonic() > ends:
            raise TimeoutError("it took too long")
