"""Which socket answers at which address."""

from channels.routing import URLRouter
from channels.sessions import CookieMiddleware
from django.urls import path, re_path

from server.live.consumers import NoSocket
from server.live.entry import SameOrigin
from server.live.page import PageSocket
from server.live.wall import WallSocket

sockets = SameOrigin(
    CookieMiddleware(
        URLRouter(
            [
                path("ws/live/", PageSocket.as_asgi()),
                path("wall/live/", WallSocket.as_asgi()),
                re_path("", NoSocket.as_asgi()),
            ]
        )
    )
)
