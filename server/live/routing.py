"""Which socket answers at which address."""

from channels.routing import URLRouter
from channels.sessions import CookieMiddleware
from django.urls import path, re_path

from server.live.consumers import LiveSocket, LogSocket, NoSocket
from server.live.entry import SameOrigin
from server.live.wall import WallSocket

sockets = SameOrigin(
    CookieMiddleware(
        URLRouter(
            [
                path("ws/live/", LiveSocket.as_asgi()),
                path("ws/logs/<int:log_id>/", LogSocket.as_asgi()),
                path("wall/live/", WallSocket.as_asgi()),
                re_path("", NoSocket.as_asgi()),
            ]
        )
    )
)
