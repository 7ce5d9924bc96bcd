"""One command's dealings with a server: signed in, and in which project."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.cli.client import credentials, remotes
from server.cli.client.connection import Connection, Document
from server.cli.client.errors import NotFound, WrongUse

_HOW = "name it with --project or SLIPWAY_PROJECT; `slipway projects` lists them"


@dataclass(frozen=True, slots=True)
class Session:
    """A connection and the name of the project that is meant."""

    server: Connection
    project: str

    def get(self, *path: str | int, what: str = "", **query: Any) -> Any:
        """As `Connection.get`, below the project."""
        return self.server.get("projects", self.project, *path, what=self._what(what), **query)

    def post(self, *path: str | int, what: str = "", **values: Any) -> Any:
        return self.server.post("projects", self.project, *path, what=self._what(what), **values)

    def put(self, *path: str | int, what: str = "", **values: Any) -> Any:
        return self.server.put("projects", self.project, *path, what=self._what(what), **values)

    def delete(self, *path: str | int, what: str = "") -> Any:
        return self.server.delete("projects", self.project, *path, what=self._what(what))

    def items(self, *path: str | int, limit: int, what: str = "", **query: Any) -> list[Document]:
        return self.server.items("projects", self.project, *path, limit=limit, what=self._what(what), **query)

    def run(self, number: int) -> Document:
        found: Document = self.get("runs", number, what=f"run {number}")
        return found

    def newest_run(self, ref: str | None = None) -> Document:
        """The newest run, of a ref when one is named; raises NotFound without any."""
        found = self.items("runs", limit=1, ref=ref)
        if not found:
            raise NotFound(f"{self.project} has no run{f' of {ref}' if ref else ''} yet: `slipway trigger` starts one.")
        return self.run(found[0]["number"])

    def deploy(self, number: int) -> Document:
        found: Document = self.get("deploys", number, what=f"deploy {number}")
        return found

    def _what(self, what: str) -> str:
        return f"{what} of {self.project}" if what else f"project {self.project}"


@contextmanager
def connect(timeout_seconds: float | None = None) -> Iterator[Connection]:
    """A connection with the credentials of the environment or of the last `slipway login`."""
    with Connection(credentials.current(), timeout_seconds) as server:
        yield server


@contextmanager
def session(project: str | None, timeout_seconds: float | None = None) -> Iterator[Session]:
    """The project that is named, else the one whose repository the current directory lies in."""
    with connect(timeout_seconds) as server:
        yield Session(server, project or project_here(server, Path()))


def project_here(server: Connection, directory: Path) -> str:
    """The project that is cloned from where this directory's repository is; raises WrongUse for none or several."""
    urls = remotes.of_repository(directory)
    if not urls:
        raise WrongUse(f"Which project? This directory is in no repository with a remote: {_HOW}.")
    for url in urls:
        names = [str(each["name"]) for each in server.items("projects", limit=3, remote=url)]
        if len(names) == 1:
            return names[0]
        if names:
            raise WrongUse(f"{url} is cloned by several projects ({', '.join(names)}): {_HOW}.")
    raise WrongUse(f"No project on {server.url} that you see is cloned from {' or '.join(urls)}: {_HOW}.")
