"""HTTP and WebSocket."""

import gc
import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "server.settings")
django.setup(set_prefix=False)

# Only now is Django set up for what follows.
from channels.routing import ProtocolTypeRouter  # noqa: E402
from django.urls import get_resolver  # noqa: E402

from server.handler import Handler  # noqa: E402
from server.live.routing import sockets  # noqa: E402
from server.scm.door import PREFIX, Message, Receive, Send, WebhookDoor  # noqa: E402
from server.statics import StaticFiles  # noqa: E402

_pages, _statics, _webhooks = Handler(), StaticFiles(), WebhookDoor()


async def http(scope: Message, receive: Receive, send: Send) -> None:
    """Webhooks and static files go by their own doors, all else through Django's handler."""
    if scope["path"].startswith(PREFIX):
        await _webhooks(scope, receive, send)
    elif _statics.has(scope["path"]):
        await _statics(scope, receive, send)
    else:
        await _pages(dict(scope), receive, send)


application = ProtocolTypeRouter({"http": http, "websocket": sockets})

# What lives as long as the process need not be looked through for garbage again and again: all modules, the addresses.
get_resolver()._populate()
gc.collect()
gc.freeze()
