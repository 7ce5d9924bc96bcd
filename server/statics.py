"""Files of `static/`, sent before Django's handler: a page asks for a dozen, and nothing decides over them."""

from typing import Any

from servestatic.middleware import ServeStaticMiddleware

_ALWAYS = ((b"x-content-type-options", b"nosniff"),)


async def _no_page(request: Any) -> Any:
    raise NotImplementedError(f"{request} is no file")


class StaticFiles:
    """An ASGI application for the paths that it `has`: those of the files that are there when it is made."""

    def __init__(self) -> None:
        self._files: dict[str, Any] = ServeStaticMiddleware(_no_page).files

    def has(self, path: str) -> bool:
        return path in self._files

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        answer = self._files[scope["path"]].get_response(scope["method"], dict(map(_asked, scope["headers"])))
        headers = [
            (name.lower().encode(), value.encode("latin-1")) for name, value in answer.headers if value is not None
        ]
        await send({"type": "http.response.start", "status": int(answer.status), "headers": [*headers, *_ALWAYS]})
        await send({"type": "http.response.body", "body": _read(answer.file) if answer.file else b""})


def _asked(header: tuple[bytes, bytes]) -> tuple[str, str]:
    """As WSGI names it."""
    return f"HTTP_{header[0].decode('latin-1').upper().replace('-', '_')}", header[1].decode("latin-1")


def _read(file: Any) -> bytes:
    """At most a font: sooner read than given to a thread."""
    with file:
        return bytes(file.read())
