"""Which socket answers at which address."""

from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter
from django.urls import path, re_path

from server.live.consumers import LiveSocket, LogSocket, NoSocket
from server.live.entry import SameOrigin

sockets = SameOrigin(
    AuthMiddlewareStack(
        URLRouter(
            [
                path("ws/live/", LiveSocket.as_asgi()),
                path("ws/logs/<int:log_id>/", LogSocket.as_asgi()),
                re_path("", NoSocket.as_asgi()),
            ]
        )
    )
)
