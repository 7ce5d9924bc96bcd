"""A stand-in for GitHub: real bare repositories, webhooks on every push, commit statuses and deployments kept."""

import contextlib
import os
import re
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.lab import payloads
from tests.lab.deployments import Deployments
from tests.lab.payloads import ZERO, Movement, Origin
from tests.lab.stand_in import Answer, Asked, serve
from tests.lab.webhooks import Delivered, Webhook, deliver

_STATUS_PATH = re.compile(r"/repos/(?P<name>[^/]+/[^/]+)/statuses/(?P<sha>[0-9a-f]{40})")
_GIT_ENVIRONMENT = {
    "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Alice",
    "GIT_AUTHOR_EMAIL": "alice@example.org",
    "GIT_COMMITTER_NAME": "Alice",
    "GIT_COMMITTER_EMAIL": "alice@example.org",
}


@dataclass(frozen=True, slots=True)
class Status:
    """One commit status as it was posted."""

    repository: str
    sha: str
    state: str
    context: str
    description: str
    target_url: str
    authorization: str


@dataclass(slots=True)
class Repository:
    """A bare repository that people push to; each push is announced when a webhook is set."""

    origin: Origin
    bare: Path
    work: Path
    webhook: Webhook | None = None
    deliveries: list[Delivered] = field(default_factory=list)

    def push(self, files: Mapping[str, str | None], message: str, branch: str = "main") -> Movement:
        """Commit `files` (None removes one) on the branch, push it, send the webhook.

        A new branch starts where main is.
        """
        ref = f"refs/heads/{branch}"
        before = self.head(ref)
        self._stand_on(before if before != ZERO else self.head("refs/heads/main"))
        self._write(files)
        self._git("add", "--all")
        self._git("commit", "-q", "--allow-empty", "-m", message)
        self._git("push", "-q", "origin", f"HEAD:{ref}")
        return self._announce(Movement(ref, before, self.head(ref), message))

    def tag(self, name: str, sha: str) -> Movement:
        """Put a tag on a commit that was pushed, and send the webhook."""
        self._git("push", "-q", "origin", f"{sha}:refs/tags/{name}")
        return self._announce(Movement(f"refs/tags/{name}", ZERO, sha))

    def move(self, branch: str, sha: str) -> Movement:
        """Put the branch on another pushed commit, as a force push does, or branch from it."""
        ref = f"refs/heads/{branch}"
        before = self.head(ref)
        self._git("push", "-q", "--force", "origin", f"{sha}:{ref}")
        return self._announce(Movement(ref, before, sha))

    def delete(self, ref: str) -> Movement:
        """Remove a ref by its full name, and send the webhook of its deletion."""
        before = self.head(ref)
        self._git("push", "-q", "origin", f":{ref}")
        return self._announce(Movement(ref, before, ZERO))

    def forget_unreachable(self) -> None:
        """Drop the commits that no ref leads to: what a code host does some time after a force push."""
        self._bare_git("reflog", "expire", "--expire=now", "--all")
        self._bare_git("gc", "-q", "--prune=now")

    def head(self, ref: str) -> str:
        """The commit that the full ref points to, or zeros."""
        listed = self._bare_git("for-each-ref", "--format=%(objectname)", ref)
        return listed.strip() or ZERO

    def deliver(self, event: str, payload: dict[str, Any], delivery_id: str | None = None) -> Delivered:
        """Send any event to the webhook; without one this raises ValueError."""
        if self.webhook is None:
            raise ValueError(f"{self.origin.full_name} has no webhook")
        delivered = deliver(self.webhook, event, payload, delivery_id)
        self.deliveries.append(delivered)
        return delivered

    def _announce(self, movement: Movement) -> Movement:
        if self.webhook is not None:
            self.deliver("push", payloads.push(self.origin, movement))
        return movement

    def _stand_on(self, sha: str) -> None:
        self._git("checkout", "-q", *(("--orphan", "first") if sha == ZERO else ("--detach", sha)))

    def _write(self, files: Mapping[str, str | None]) -> None:
        for name, content in files.items():
            path = self.work / name
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)

    def _git(self, *arguments: str) -> str:
        return _run_git("-C", str(self.work), *arguments)

    def _bare_git(self, *arguments: str) -> str:
        return _run_git("--git-dir", str(self.bare), *arguments)


@dataclass(slots=True)
class CodeHost:
    """Repositories by full name, and the API that statuses are posted to (`url` is its base)."""

    directory: Path
    token: str = "ghp_lab"
    url: str = ""
    statuses: list[Status] = field(default_factory=list)
    repositories: dict[str, Repository] = field(default_factory=dict)
    deployments: Deployments = field(default_factory=Deployments)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def create(self, full_name: str, webhook: Webhook | None = None) -> Repository:
        """Make an empty repository `owner/name` whose default branch is main."""
        bare = self.directory / f"{full_name}.git"
        work = self.directory / "work" / full_name
        _run_git("init", "-q", "--bare", "--initial-branch=main", str(bare))
        _run_git("clone", "-q", str(bare), str(work))
        origin = Origin(1000 + len(self.repositories), full_name, str(bare))
        repository = Repository(origin, bare, work, webhook)
        self.repositories[full_name] = repository
        return repository

    def states(self, sha: str) -> list[str]:
        """The states posted for a commit, oldest first."""
        return [status.state for status in self.statuses if status.sha == sha]

    def answer(self, asked: Asked) -> Answer:
        """Answer one API call: statuses and deployments are taken, all else is unknown."""
        with self._lock:
            answered = self.deployments.answer(asked, self.repositories)
        if answered is not None:
            return answered
        match = _STATUS_PATH.fullmatch(asked.path)
        if asked.method != "POST" or match is None or match["name"] not in self.repositories:
            return Answer(404, {"message": "Not Found"})
        return self._keep(match["name"], match["sha"], asked)

    def _keep(self, name: str, sha: str, asked: Asked) -> Answer:
        given = asked.json()
        if given.get("state") not in ("error", "failure", "pending", "success"):
            return Answer(422, {"message": "Validation Failed"})
        state, context, told, link = (
            str(given.get(key) or "") for key in ("state", "context", "description", "target_url")
        )
        status = Status(name, sha, state, context, told, link, asked.headers.get("Authorization", ""))
        with self._lock:
            self.statuses.append(status)
            return Answer(201, {"id": len(self.statuses), **given})


@contextlib.contextmanager
def code_host(address: str = "127.0.0.1") -> Iterator[CodeHost]:
    """Run a code host whose repositories live in a directory that goes when it ends; its API listens on `address`."""
    with tempfile.TemporaryDirectory(prefix="slipway-codehost-") as directory:
        host = CodeHost(Path(directory))
        with serve(host.answer, address) as url:
            host.url = url
            yield host


def _run_git(*arguments: str) -> str:
    command = ["git", *arguments]
    done = subprocess.run(command, env=_GIT_ENVIRONMENT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout
