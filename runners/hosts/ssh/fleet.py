"""Connections to many hosts: one for each, a bounded number being opened at a time."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar

from runners.hosts.ssh.connection import Address, Connection, ConnectionLost, HostBusy, HostKey, never

SIMULTANEOUS_STARTS = 30  # of all
STARTS_AT_ONE_SERVER = 8  # at a host, or through a bastion: sshd counts them (MaxStartups, ten by default)
ATTEMPTS = 5

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Target:
    """A host to connect to, the keys that it may show, and the bastion that it is reached through, if any."""

    address: Address
    host_keys: tuple[HostKey, ...]
    bastion: Address | None = None


class Fleet:
    """Lends connections and closes them all at the end. Safe to use from many threads.

    sshd drops new connections when too many start at once, so starts are bounded, all together and for each server
    that they meet at, and a dropped one is tried again after a growing, random wait. `on_close` ends what the
    connections went through.
    """

    def __init__(
        self,
        open_connection: Callable[[Target], Connection],
        *,
        simultaneous_starts: int = SIMULTANEOUS_STARTS,
        starts_at_one_server: int = STARTS_AT_ONE_SERVER,
        attempts: int = ATTEMPTS,
        pause_seconds: float = 0.5,
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        self._open_connection = open_connection
        self._starts = threading.BoundedSemaphore(simultaneous_starts)
        self._starts_at_one_server = starts_at_one_server
        self._starts_at: dict[tuple[str, int], threading.BoundedSemaphore] = {}
        self._on_close = on_close
        self._attempts = attempts
        self._pause_seconds = pause_seconds
        self._guard = threading.Lock()
        self._turns: dict[Address, threading.Lock] = {}
        self._open: dict[Address, Connection] = {}
        self._closed = False

    def connect(self, target: Target, cancelled: Callable[[], bool] = never) -> Connection:
        """The connection to that host, opened if there is none or it is broken. Errors as of the door."""
        with self._turn(target.address):
            known = self._open.get(target.address)
            if known is not None and known.is_alive:
                return known
            if known is not None:
                known.close()
            return self._keep(target.address, self._start(target, cancelled))

    def has(self, target: Target) -> bool:
        """Whether there is a connection to that host that is not known to be broken."""
        with self._guard:
            known = self._open.get(target.address)
        return known is not None and known.is_alive

    def close(self) -> None:
        """Close every connection; commands that still run through them lose their outcome."""
        with self._guard:
            self._closed = True
            for connection in self._open.values():
                connection.close()
            self._open.clear()
        self._on_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _turn(self, address: Address) -> threading.Lock:
        with self._guard:
            return self._turns.setdefault(address, threading.Lock())

    def _meeting_point(self, target: Target) -> threading.BoundedSemaphore:
        at = target.bastion or target.address
        with self._guard:
            bound = threading.BoundedSemaphore(self._starts_at_one_server)
            return self._starts_at.setdefault((at.host, at.port), bound)

    def _keep(self, address: Address, opened: Connection) -> Connection:
        """What was being opened while the fleet closed is closed as well."""
        with self._guard:
            if not self._closed:
                self._open[address] = opened
                return opened
        opened.close()
        raise ConnectionLost(f"{address}: all connections are being closed.")

    def _start(self, target: Target, cancelled: Callable[[], bool]) -> Connection:
        for attempt in range(1, self._attempts + 1):
            try:
                with self._meeting_point(target), self._starts:
                    if self._closed:
                        raise ConnectionLost(f"{target.address}: all connections are being closed.")
                    return self._open_connection(target)
            except HostBusy:
                if attempt == self._attempts or cancelled():
                    raise
                time.sleep(self._pause_seconds * 2 ** (attempt - 1) * (0.5 + secrets.randbelow(1000) / 1000))
        raise AssertionError("a fleet makes at least one attempt")


def on_all(
    items: Sequence[Item],
    action: Callable[[Item], Answer],
    parallel: int,
    on_interrupt: Callable[[], None] = lambda: None,
    on_leave: Callable[[], None] = lambda: None,
) -> list[Answer | Exception]:
    """Do it for every item, `parallel` at a time; wait for all; each answer or error, in their order.

    `on_interrupt` is called when the wait is broken off, and has to make the actions under way end soon; `on_leave` in
    each of the threads when there is nothing more for it to do.
    """
    answers: dict[int, Answer | Exception] = {}
    left: Iterator[tuple[int, Item]] = enumerate(items)
    turn = threading.Lock()

    def work() -> None:
        try:
            while (taken := _next(left, turn)) is not None:
                place, item = taken
                try:
                    answers[place] = action(item)
                except Exception as error:
                    answers[place] = error
        finally:
            on_leave()

    if not items:
        return []
    pool = ThreadPoolExecutor(min(parallel, len(items)), thread_name_prefix="host")
    try:
        for worker in [pool.submit(work) for _ in range(min(parallel, len(items)))]:
            worker.result()
    except BaseException:
        with turn:
            left = iter(())
        on_interrupt()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return [answers[place] for place in range(len(items))]


def _next(left: Iterator[tuple[int, Item]], turn: threading.Lock) -> tuple[int, Item] | None:
    with turn:
        return next(left, None)
