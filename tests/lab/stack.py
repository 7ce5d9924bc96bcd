"""The compose project as people run it, from a copy of the checkout: built, brought up, taken down again."""

import contextlib
import json
import os
import secrets
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker.errors import APIError, ImageNotFound
from docker.models.containers import Container

from tests.lab.ground import Ground, free_port, remove
from tests.lab.images import image, registry_answers
from tests.lab.server import ROOT, SERVER_LABEL, Server, await_answer

IMAGE = "slipway-lab/server:compose"
SOCKET = Path("/var/run/docker.sock")
RUNNERS = ("runner-a", "runner-b")
WORKERS = ("control", *RUNNERS, "deploy")
_OURS = ("prepare", "web", *WORKERS, "clock", "announcer")
_RECIPES = Path(__file__).parent / "services"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the services must reach: the hosts' network, the code host's directory; SLIPWAY_* settings for them."""

    network: str
    repositories: Path
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Stack:
    """A compose project in `directory`; `client` is the command line that begins every call."""

    here: Ground
    directory: Path
    client: tuple[str, ...]
    variables: Mapping[str, str]

    def call(self, *arguments: str) -> str:
        """Run the client and give what it said; RuntimeError with that when it fails."""
        command = [*self._command, *arguments]
        done = subprocess.run(
            command, cwd=self.directory, env=self._environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-6000:]}")
        return done.stdout

    def follow(self, path: Path) -> "subprocess.Popen[bytes]":
        """Have the client write what all services say into a file, until the process ends."""
        with path.open("ab") as log:
            return subprocess.Popen(
                [*self._command, "logs", "--follow", "--no-color"],
                cwd=self.directory, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def containers(self, service: str) -> list[Container]:
        """The service's containers that run."""
        label = [f"com.docker.compose.project={self.here.name}", f"com.docker.compose.service={service}"]
        return self.here.engine.containers.list(filters={"label": label})

    @property
    def _command(self) -> tuple[str, ...]:
        files = ("-f", "docker-compose.yml", "-f", "surroundings.json")
        return (*self.client, "--ansi", "never", "--project-name", self.here.name, *files)

    @property
    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")}
        return kept | dict(self.variables)


def find_client() -> tuple[str, ...]:
    """The compose plugin of the docker command, else the older program; RuntimeError without either."""
    if shutil.which("docker"):
        asked = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
        if asked.returncode == 0:
            return ("docker", "compose")
    if shutil.which("docker-compose"):
        return ("docker-compose",)
    raise RuntimeError("no compose client: install the docker compose plugin, or run apt-get install docker-compose")


def lay_out(here: Ground, directory: Path, client: Sequence[str], around: Surroundings) -> Stack:
    """Copy into `directory` the project and what its image is built from; this machine's authorities are ca.crt."""
    for name in _context():
        _copy(ROOT / name, directory / name)
    authorities = ssl.get_default_verify_paths().cafile
    if authorities:
        _copy(Path(authorities), directory / "ca.crt")
    (directory / "surroundings.json").write_text(json.dumps(_override(here, around)))
    port = str(free_port())
    own = {
        "PORT": port,
        "URL": f"http://127.0.0.1:{port}",
        "SERVER_ID": here.name,
        "IMAGE": IMAGE,
        "LOCAL_CLONES": "true",
        **_images(here),
        **around.settings,
    }
    variables = {f"SLIPWAY_{name}": value for name, value in own.items()}
    variables |= {"POSTGRES_PASSWORD": secrets.token_hex(16), "DOCKER_GROUP": str(SOCKET.stat().st_gid)}
    return Stack(here, directory, tuple(client), variables)


def build(stack: Stack) -> float:
    """Build the image; gives the seconds it took. The one it replaces goes."""
    before = _image_id(stack)
    began = time.monotonic()
    stack.call("build")
    if before and before != _image_id(stack):
        with contextlib.suppress(APIError):
            stack.here.engine.images.remove(before)
    return time.monotonic() - began


@contextlib.contextmanager
def up(stack: Stack) -> Iterator[Server]:
    """Bring the services up and give them as a server, whose process is the one that follows their logs."""
    url = stack.variables["SLIPWAY_URL"]
    try:
        stack.call("up", "-d")
        log = stack.directory / "server.log"
        log.write_text(stack.call("logs", "--no-color", "prepare"))
        follower = stack.follow(log)
        try:
            running = Server(url, stack.directory, stack.variables, follower)
            await_answer(running)
            yield running
        finally:
            follower.terminate()
            follower.wait()
    finally:
        stack.call("down", "--volumes", "--timeout", "20")
        remove(stack.here.engine, f"{SERVER_LABEL}={stack.here.name}")


def _context() -> list[str]:
    """What .dockerignore lets through and the checkout has, and the files that compose itself reads."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    through = [line.removeprefix("!") for line in lines if line.startswith("!")]
    wanted = ["Dockerfile", ".dockerignore", "docker-compose.yml", *through]
    return [name for name in wanted if (ROOT / name).exists()]


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copyfile(source, target)


def _override(here: Ground, around: Surroundings) -> dict[str, Any]:
    """Everything bears the lab's labels; who clones sees the repositories, who deploys sees the hosts."""
    services: dict[str, dict[str, Any]] = {name: {"labels": here.labels} for name in ("postgres", "redis", *_OURS)}
    for name in (*WORKERS, "clock"):
        services[name]["volumes"] = [f"{around.repositories}:{around.repositories}:ro"]
    for name in ("control", "deploy"):
        services[name]["networks"] = ["default", "hosts"]
    networks = {"default": {"labels": here.labels}, "hosts": {"external": True, "name": around.network}}
    volumes = {name: {"labels": here.labels} for name in ("postgres", "redis", "state")}
    return {"services": services, "networks": networks, "volumes": volumes}


def _images(here: Ground) -> dict[str, str]:
    """Nothing where a registry answers; else images made of the distribution's packages."""
    if registry_answers(here.engine):
        return {}
    base = image("python", here.engine)
    made = {f"{name.upper()}_IMAGE": _service_image(here, name, base) for name in ("postgres", "redis")}
    return {"BASE_IMAGE": base, **made}


def _service_image(here: Ground, name: str, base: str) -> str:
    tag = f"slipway-lab/{name}:compose"
    here.engine.images.build(
        path=str(_RECIPES), dockerfile=f"{name}.Dockerfile", buildargs={"BASE": base}, tag=tag, rm=True
    )
    return tag


def _image_id(stack: Stack) -> str | None:
    try:
        return stack.here.engine.images.get(IMAGE).id
    except ImageNotFound:
        return None
