"""A slow line to a host: what we send to it passes at so many bytes a second."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

from runners.hosts.ssh.connection import Address

PIECE = 4096


@contextlib.contextmanager
def slow_line(to: Address, bytes_per_second: int) -> Iterator[int]:
    """The port, at the host's own address, of a line to its SSH server that is slow in our direction of it."""
    with socket.create_server((to.host, 0)) as door:
        threading.Thread(target=_admit, args=(door, to, PIECE / bytes_per_second), daemon=True).start()
        yield door.getsockname()[1]


def _admit(door: socket.socket, to: Address, pause_seconds: float) -> None:
    with contextlib.suppress(OSError):  # the door is shut
        while True:
            ours, _ = door.accept()
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, PIECE)
            theirs = socket.create_connection((to.host, to.port))
            for source, sink, pause in ((ours, theirs, pause_seconds), (theirs, ours, 0.0)):
                threading.Thread(target=_carry, args=(source, sink, pause), daemon=True).start()


def _carry(source: socket.socket, sink: socket.socket, pause_seconds: float) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(PIECE):
            sink.sendall(piece)
            time.sleep(pause_seconds * len(piece) / PIECE)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
