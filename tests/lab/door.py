"""A way in whose other end is moved while people go through it, and the people."""

import contextlib
import socket
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.ground import free_port


@dataclass(slots=True)
class Load:
    """What steady visitors met. `failures` are in words; `versions` counts who answered."""

    failures: list[str] = field(default_factory=list)
    versions: Counter[str] = field(default_factory=Counter)
    over: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def door(file: Path) -> Iterator[str]:
    """Forwards each connection to the port of this machine that stands in the file; gives its URL."""
    server = socket.create_server(("127.0.0.1", free_port()))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = server.accept()
                threading.Thread(target=_pass_on, args=(client, file), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.close()


@contextlib.contextmanager
def visitors(url: str, count: int = 4) -> Iterator[Load]:
    """So many at once, one request after the other, every fifth a slow one, for as long as the block takes."""
    load = Load()
    threads = [threading.Thread(target=_visit, args=(url, load)) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.over.set()
        for thread in threads:
            thread.join()


def _visit(url: str, load: Load) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    number = 0
    while not load.over.is_set():
        number += 1
        try:
            with opener.open(f"{url}/slow" if number % 5 == 0 else url, timeout=60) as answer:
                load.versions[answer.read().decode()] += 1
        except OSError as error:
            load.failures.append(f"{error!r} after {dict(load.versions)}")
        time.sleep(0.01)


def _pass_on(client: socket.socket, file: Path) -> None:
    with (
        contextlib.suppress(OSError),
        client,
        socket.create_connection(("127.0.0.1", int(file.read_text())), 60) as onward,
    ):
        back = threading.Thread(target=_copy, args=(onward, client), daemon=True)
        back.start()
        _copy(client, onward)
        back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
