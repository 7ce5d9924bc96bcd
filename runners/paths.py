"""Paths in a workspace, as pipeline files name them: nothing outside is ever reached through one."""

from dataclasses import dataclass

from runners.containers.executor import Container, Entry, Executor
from runners.containers.script import WORKSPACE


def plain(path: str) -> str:
    """Without `./`, double and closing slashes; the workspace itself is empty."""
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def inside(path: str) -> str | None:
    """`plain`, or None for what is not below the workspace."""
    found = plain(path)
    is_outside = path.startswith("/") or ".." in found.split("/") or "\0" in path
    return None if is_outside else found or None


@dataclass(frozen=True, slots=True)
class Found:
    """`entry` is what lies at `at`: the path that was looked for, or the first part of it that is missing (None) or a
    link, which might lead anywhere."""

    at: str
    entry: Entry | None

    @property
    def link_target(self) -> str | None:
        return self.entry.link_target if self.entry else None


def look(executor: Executor, container: Container, path: str) -> Found:
    """Walk down a path of `inside`, one part after the other."""
    parts = path.split("/")
    for depth in range(1, len(parts) + 1):
        at = "/".join(parts[:depth])
        found = Found(at, executor.entry(container, f"{WORKSPACE}/{at}"))
        if found.entry is None or found.link_target is not None:
            return found
    return found
