"""How this process signs what it owns."""

import os
import socket


def me() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"
