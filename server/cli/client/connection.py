"""The door to a server: one HTTP client, whose errors become sentences."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2

from server.cli.client.credentials import Credentials, is_loopback
from server.cli.client.errors import (
    ClientError,
    NotAllowed,
    NotFound,
    NotSignedIn,
    Refused,
    ServerBroke,
    Unreachable,
    WrongUse,
)
from server.cli.controls import plain

BASE = "/api/v1"
PAGE_LIMIT = 100
_TIMEOUT = httpx2.Timeout(30, connect=10)
_SILENCE = httpx2.Timeout(45, connect=10)  # streams say at least that they live, more often than that
_SHOWN = 1000

Document = dict[str, Any]


class Connection:
    """Asks one server with one token; several threads may share it."""

    def __init__(self, credentials: Credentials, timeout_seconds: float | None = None) -> None:
        self.url = credentials.url
        self._client = httpx2.Client(
            base_url=credentials.url + BASE,
            headers={"Authorization": f"Bearer {credentials.token}", "User-Agent": "slipway"},
            timeout=timeout_seconds or _TIMEOUT,
            transport=transport(credentials.url),
            trust_env=not _is_here(credentials.url),
        )

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.close()

    def get(self, *path: str | int, what: str = "", **query: Any) -> Any:
        """What lies at a path, whose parts are quoted; `what` names it in the error when it is not there."""
        return self._ask("GET", path, what, params=_given(query))

    def post(self, *path: str | int, what: str = "", **values: Any) -> Any:
        """Do what a path stands for, with those values that are not None."""
        return self._ask("POST", path, what, json=_given(values))

    def put(self, *path: str | int, what: str = "", **values: Any) -> Any:
        return self._ask("PUT", path, what, json=_given(values))

    def delete(self, *path: str | int, what: str = "") -> Any:
        return self._ask("DELETE", path, what)

    def items(self, *path: str | int, limit: int, what: str = "", **query: Any) -> list[Document]:
        """The first `limit` of a list, over as many pages as that takes."""
        found: list[Document] = []
        cursor: str | None = None
        while len(found) < limit:
            count = min(limit - len(found), PAGE_LIMIT)
            page = self.get(*path, what=what, limit=count, cursor=cursor, **query)
            found += page["items"]
            cursor = page.get("next")
            if cursor is None or not page["items"]:
                break
        return found

    def text(self, *path: str | int, what: str = "", last_bytes: int | None = None) -> str:
        """A text as a whole, or its end."""
        headers = {} if last_bytes is None else {"Range": f"bytes=-{last_bytes}"}
        with self._translated():
            answer = self._client.get(_joined(path), headers=headers)
        if answer.status_code == 416:  # there is nothing in it
            return ""
        self._check(answer, what)
        return answer.content.decode(errors="replace")

    @contextmanager
    def pieces(self, *path: str | int, what: str = "") -> Iterator[Iterator[bytes]]:
        """A text while it comes."""
        with self._translated(), self._client.stream("GET", _joined(path), timeout=_TIMEOUT) as answer:
            self._check_stream(answer, what)
            yield answer.iter_bytes()

    @contextmanager
    def events(self, *path: str | int, after: int, what: str = "") -> Iterator[Iterator[httpx2.ServerSentEvent]]:
        """A stream of server-sent events, those after the one of that id; raises Unreachable when it breaks off."""
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
        with (
            self._translated(),
            self._client.stream("GET", _joined(path), headers=headers, timeout=_SILENCE) as answer,
        ):
            self._check_stream(answer, what)
            yield iter(httpx2.EventSource(answer))

    def _ask(self, method: str, path: tuple[str | int, ...], what: str, **content: Any) -> Any:
        with self._translated():
            answer = self._client.request(method, _joined(path), **content)
        self._check(answer, what)
        if answer.status_code == 204 or not answer.content:
            return None
        try:
            return answer.json()
        except ValueError as error:
            raise Unreachable(_foreign(self.url, answer)) from error

    def _check(self, answer: httpx2.Response, what: str) -> None:
        if not answer.is_success:
            raise refusal(answer, self.url, what)

    def _check_stream(self, answer: httpx2.Response, what: str) -> None:
        if not answer.is_success:
            answer.read()
            raise refusal(answer, self.url, what)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except httpx2.TimeoutException as error:
            raise Unreachable(f"{self.url} did not answer in time: is the server up? Try again.") from error
        except httpx2.HTTPError as error:
            raise Unreachable(f"{self.url} cannot be reached ({plain(str(error))}): is the address right?") from error


def transport(url: str) -> httpx2.BaseTransport | None:
    """Nothing of TLS is loaded for a server on this machine, nor is a proxy asked for it; else as the library does."""
    return httpx2.HTTPTransport(verify=False) if _is_here(url) else None


def refusal(answer: httpx2.Response, url: str, what: str) -> ClientError:
    """An answer that is no success, as the error that it means."""
    status, detail = answer.status_code, _detail(answer)
    if answer.is_redirect:
        there = plain(answer.headers.get("location", "elsewhere"))[:200]
        return Unreachable(f"{url} sends its callers to {there}: sign in with the address that it has now.")
    if status >= 500:
        return ServerBroke(f"{url} broke ({status}): {detail.rstrip('.')}. Its operator can read why in its log.")
    kind, told = _MEANINGS.get(status, (WrongUse, "{detail}"))
    return kind(told.format(url=url, detail=detail, what=what or "such thing"))


_MEANINGS: Mapping[int, tuple[type[ClientError], str]] = {
    401: (NotSignedIn, "{url} does not take your token: {detail}. Run `slipway login`."),
    403: (NotAllowed, "{url} does not allow it: {detail}"),
    404: (NotFound, "{url} has no {what}, or you may not see it."),
    409: (Refused, "{detail}"),
    429: (Unreachable, "{url} is asked too often: {detail}"),
}


def _is_here(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "http" and is_loopback(parts.hostname or "")


def _detail(answer: httpx2.Response) -> str:
    """What the server says about it, with each fault that its sentence does not name already."""
    try:
        problem = answer.json()
        told = str(problem.get("detail") or problem.get("title") or "")
        faults = [(str(each["where"]), str(each["message"])) for each in problem.get("errors") or ()]
    except (ValueError, AttributeError, KeyError, TypeError):
        return f"it answered {answer.status_code}"
    further = [f"{where}: {message}" if where else message for where, message in faults if message not in told]
    return plain("\n  ".join([told, *further]))[:_SHOWN]


def _foreign(url: str, answer: httpx2.Response) -> str:
    kind = plain(answer.headers.get("content-type", "something"))[:60]
    return f"{url} answered with {kind} and not as Slipway does: is it the address of your server?"


def _joined(path: tuple[str | int, ...]) -> str:
    return "".join(f"/{quote(str(part), safe='')}" for part in path)


def _given(values: Document) -> Document:
    return {name: value for name, value in values.items() if value is not None}
