"""A browser's end of a WebSocket, spoken over ASGI."""

from typing import Any
from urllib.parse import urlsplit

from asgiref.testing import ApplicationCommunicator


class Communicator:
    """One socket: connect, say, hear, leave."""

    def __init__(self, application: Any, path: str, headers: list[tuple[bytes, bytes]]) -> None:
        parts = urlsplit(path)
        scope = {
            "type": "websocket",
            "path": parts.path,
            "query_string": parts.query.encode(),
            "headers": headers,
            "subprotocols": [],
        }
        self._wire: Any = ApplicationCommunicator(application, scope)  # type: ignore[no-untyped-call]

    async def connect(self, timeout: float = 60) -> bool:
        """Whether the socket was accepted."""
        await self._wire.send_input({"type": "websocket.connect"})
        answer = await self._wire.receive_output(timeout)
        return bool(answer["type"] == "websocket.accept")

    async def say(self, text: str) -> None:
        await self._wire.send_input({"type": "websocket.receive", "text": text})

    async def hear(self, timeout: float = 60) -> Any:
        """The next frame: bytes or text."""
        frame = await self._wire.receive_output(timeout)
        assert frame["type"] == "websocket.send", frame
        return frame["text"] if frame.get("text") is not None else frame["bytes"]

    async def close_code(self, timeout: float = 60) -> int:
        frame = await self._wire.receive_output(timeout)
        assert frame["type"] == "websocket.close", frame
        return int(frame["code"])

    async def leave(self) -> None:
        await self._wire.send_input({"type": "websocket.disconnect", "code": 1000})
        await self._wire.wait(60)

    async def is_silent(self, timeout: float) -> bool:
        """Whether nothing comes for `timeout` seconds."""
        return bool(await self._wire.receive_nothing(timeout))
