"""A server with all that it needs around it: a code host, an engine, hosts, and a counter that containers reach."""

import contextlib
import http.client
import os
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from pipelines.deploys import credentials
from tests.faults import questions
from tests.faults.armed import process_of
from tests.faults.engine_events import EngineEvents
from tests.faults.records import Records
from tests.faults.work import Task
from tests.lab import payloads
from tests.lab.codehost import Repository, code_host
from tests.lab.ground import Ground, ground
from tests.lab.images import image
from tests.lab.server import SERVER_LABEL, UP, Server, server
from tests.lab.sshd import Sshd, running_fleet
from tests.lab.webhooks import Webhook, deliver

_SECRET = "webhook-secret-of-the-town"
_HEAR_SECONDS = 300


@dataclass(slots=True)
class Town:
    """Everything that a story needs. `hits`: call of a task → how often its container made it."""

    here: Ground
    server: Server
    records: Records
    repository: Repository
    hosts: Sequence[Sshd]
    events: EngineEvents
    hits: Counter[str]
    image: str
    counter_port: int
    accepted: list[str] = field(default_factory=list)

    @property
    def redis_url(self) -> str:
        """Where the server's own Redis listens."""
        return self.records.ask(questions.redis_url)

    def push(self, task: Task) -> None:
        """Commit the task on its branch and tell the server."""
        self.announce(self.commit(task))

    def commit(self, task: Task) -> payloads.Movement:
        """Commit the task on its branch, as the code host has it before anybody is told."""
        files = {".slipway.yml": task.spec(self.image, self.counter_port)}
        return self.repository.push(files, task.key, task.slug)

    def announce(self, movement: payloads.Movement) -> None:
        """Tell the server until it answers; the same delivery each time."""
        webhook = Webhook(f"{self.server.url}/hooks/github/{questions.PROJECT}", _SECRET)
        payload = payloads.push(self.repository.origin, movement)
        delivery_id = str(uuid.uuid4())
        self.accepted.append(delivery_id)
        await_true(lambda: _was_taken(webhook, payload, delivery_id), _HEAR_SECONDS, "the webhook was not taken")

    def await_end(self, patience_seconds: float) -> None:
        """Wait until every run and deploy has ended."""
        try:
            await_true(lambda: not self.records.ask(questions.unfinished), patience_seconds, "not all has ended")
        except AssertionError as error:
            left = ", ".join(self.records.ask(questions.unfinished))
            raise AssertionError(f"{error}: {left}\n{self.server.log[-20_000:]}") from None

    def await_output(self, task: Task) -> None:
        """Wait until the task is in the middle of its output."""
        await_true(lambda: b"line" in self.records.ask(questions.log_of, task.key), 240, f"{task.key} did not begin")

    def make_room(self, at_most: int) -> None:
        """Wait until fewer runs and deploys than that are under way."""
        await_true(lambda: len(self.records.ask(questions.unfinished)) < at_most, 600, "nothing ends any more")

    def processes(self) -> list[tuple[str, int]]:
        """What the supervisor has started: the kind of process and its id."""
        supervisor = self.server.process.pid
        children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
        return [(kind_of(int(pid)), int(pid)) for pid in children]

    def kill(self, kind: str) -> None:
        """SIGKILL every process of a kind."""
        for name, pid in self.processes():
            if name == kind:
                end(pid)

    def make_environments(self, slugs: Sequence[str]) -> None:
        """One for each branch of such a name, all on the same hosts."""
        addresses = [host.address for host in self.hosts]
        hosts = [address.host for address in addresses]
        self.records.ask(questions.make_environments, slugs, hosts, addresses[0].port)

    def leftovers(self) -> list[str]:
        """Containers and volumes of the server that the engine has now."""
        own: dict[str, str | list[str] | bool] = {"label": f"{SERVER_LABEL}={self.here.name}"}
        containers = self.here.engine.containers.list(all=True, filters=own, ignore_removed=True)
        volumes = self.here.engine.volumes.list(filters=own)
        return [f"container {each.name}" for each in containers] + [f"volume {each.name}" for each in volumes]


@contextlib.contextmanager
def town(directory: Path, *, program: Sequence[str] = UP, **settings: str) -> Iterator[Town]:
    """Build it up, and pull all of it down at the end."""
    hits: Counter[str] = Counter()
    key = credentials.generate("tests")
    with contextlib.ExitStack() as stack:
        here = stack.enter_context(ground())
        host = stack.enter_context(code_host())
        port = stack.enter_context(_counting(hits))
        hosts = stack.enter_context(
            running_fleet(directory / "hosts", 2, private_key=key.private, public_key=key.public)
        )
        events = stack.enter_context(EngineEvents(here.engine, here.name))
        up = stack.enter_context(server(here, directory / "state", program=program, **settings))
        records = stack.enter_context(Records(up.settings))
        repository = host.create("acme/shop")
        repository.push({"README": "A shop.\n"}, "begin")  # a new branch starts where main is
        records.ask(questions.make_project, str(repository.bare), _SECRET, key.private)
        yield Town(here, up, records, repository, hosts, events, hits, image("busybox", here.engine), port)


def kind_of(pid: int) -> str:
    """web, control, stage, deploy, clock, announce or redis; empty for a process that is just beginning or gone."""
    with contextlib.suppress(OSError):
        command = Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
        if not command:
            return ""
        if "redis-server" in command[0] or "valkey-server" in command[0]:
            return "redis"
        kind = process_of(command)
        return kind if kind in ("web", "control", "stage", "deploy", "clock", "announce") else ""
    return ""


def slowness() -> float:
    """By how much longer than on a quiet machine things take here now; 1 at least."""
    return max(os.getloadavg()[0] / (os.cpu_count() or 1), 1.0)


def end(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def await_true(question: Callable[[], bool], patience_seconds: float, complaint: str) -> float:
    """Ask until it is so; returns how long that took. AssertionError with the complaint when it takes too long."""
    began_at = time.monotonic()
    while not question():
        if time.monotonic() - began_at > patience_seconds:
            raise AssertionError(f"{complaint} within {patience_seconds:g} s")
        time.sleep(0.1)
    return time.monotonic() - began_at


def _was_taken(webhook: Webhook, payload: dict[str, object], delivery_id: str) -> bool:
    try:
        return deliver(webhook, "push", payload, delivery_id).status in (200, 202)
    except (OSError, http.client.HTTPException):
        return False


@contextlib.contextmanager
def _counting(hits: Counter[str]) -> Iterator[int]:
    """An HTTP server that counts what is asked of it, on every address: containers come through their gateway."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with lock:
                hits[self.path.lstrip("/")] += 1
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    counter = ThreadingHTTPServer(("0.0.0.0", 0), Handler)
    counter.daemon_threads = True
    thread = threading.Thread(target=counter.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield counter.server_port
    finally:
        counter.shutdown()
        counter.server_close()
        thread.join()
