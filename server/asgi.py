"""HTTP and WebSocket."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "server.settings")
_pages = get_asgi_application()

# Only now is Django set up for what follows.
from channels.routing import ProtocolTypeRouter  # noqa: E402

from server.live.routing import sockets  # noqa: E402
from server.scm.door import PREFIX, Message, Receive, Send, WebhookDoor  # noqa: E402

_webhooks = WebhookDoor()


async def http(scope: Message, receive: Receive, send: Send) -> None:
    """Webhooks go by their own door, all else through Django's handler."""
    if scope["path"].startswith(PREFIX):
        await _webhooks(scope, receive, send)
    else:
        await _pages(dict(scope), receive, send)  # type: ignore[arg-type]  # stricter than ASGI


application = ProtocolTypeRouter({"http": http, "websocket": sockets})
