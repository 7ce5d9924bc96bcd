"""Images of a small web program in a registry of this machine, to be run on an engine."""

import io
import tarfile
import uuid
from dataclasses import dataclass, field

from docker import DockerClient

from tests.lab.images import image
from tests.lab.registry import Registry

PORT = 8000
_PROGRAM = """\
import http.server, os, signal, sys, threading, time
WELL = {well!r}

class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/slow":
            time.sleep(1)
        good = WELL or self.path != "/healthz"
        text = (os.environ.get(self.path[5:], "") if self.path.startswith("/env/") else {version!r}).encode()
        self.send_response(200 if good else 500)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *parts):
        pass

class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 100

server = Server(("", {port}), Answer)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
print("serving", {version!r}, flush=True)
if {crashes!r}:
    sys.exit("no database")
server.serve_forever()
server.server_close()
print("ended in peace", flush=True)
"""


@dataclass(slots=True)
class Bakery:
    """Builds and pushes; everything of its name goes with `clear`."""

    engine: DockerClient
    registry: Registry
    username: str = ""
    password: str = ""
    name: str = field(default_factory=lambda: f"shop-{uuid.uuid4().hex[:8]}")

    @property
    def repository(self) -> str:
        return f"{self.registry.host}/{self.name}"

    def bake(self, version: str, *, well: bool = True, crashes: bool = False) -> str:
        """The image of a version, `name@sha256:…`, in the registry and no longer on the engine."""
        tag = f"{self.repository}:{version}"
        self.engine.images.build(fileobj=self._context(version, well, crashes), custom_context=True, tag=tag, rm=True)
        login = {"username": self.username, "password": self.password} if self.username else None
        said = self.engine.api.push(tag, auth_config=login)
        digest = self.registry.digest(self.name, version)
        assert digest is not None, said
        self.engine.images.remove(tag)
        return f"{self.repository}@{digest}"

    def has(self, image: str) -> bool:
        listed = self.engine.api.images()  # one answer: images.list() asks after each, and others remove theirs
        return any(image in (found["RepoDigests"] or ()) for found in listed)

    def forget(self) -> None:
        for found in self.engine.images.list(self.repository):
            self.engine.images.remove(str(found.id), force=True)

    def clear(self, path: str) -> None:
        """Every container of the application that lives there, and every image."""
        for each in self.engine.containers.list(all=True, filters={"label": f"slipway.path={path}"}):
            each.remove(force=True)
        self.forget()

    def _context(self, version: str, well: bool, crashes: bool) -> io.BytesIO:
        program = _PROGRAM.format(version=version, well=well, crashes=crashes, port=PORT).encode()
        base = image("python", self.engine)
        own = f"LABEL shop={self.name}"  # an image of its own: others may be running one that is alike
        start = 'CMD ["python3", "-u", "/shop.py"]'
        dockerfile = f"FROM {base}\n{own}\nCOPY shop.py /\n{start}\n".encode()
        sheet = io.BytesIO()
        with tarfile.open(fileobj=sheet, mode="w") as tar:
            for name, content in (("Dockerfile", dockerfile), ("shop.py", program)):
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
        sheet.seek(0)
        return sheet
