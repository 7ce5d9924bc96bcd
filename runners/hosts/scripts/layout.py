"""Pure: where things lie on a host, and what is written there."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from pipelines.errors import UserError
from pipelines.spec.installation import DeploySpec, ReleaseKind

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_PLAIN_VALUE = re.compile(r"[A-Za-z0-9_./:@%+,=-]*\Z")


class BadLayout(UserError):
    """The deploy section names a path that cannot be used on a host."""


class BadConfiguration(UserError):
    """A configuration value cannot be written into an environment file."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The directories of one application on a host: releases/<n>/, shared/, current -> releases/<n>.

    `path` is absolute and not a top directory; `shared` are paths inside a release that outlive it.
    """

    path: str
    shared: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        parts = PurePosixPath(self.path).parts
        if not self.path.startswith("/") or len(parts) < 3 or ".." in parts or "\0" in self.path:
            raise BadLayout(
                f"deploy path {self.path!r}: write an absolute path of at least two levels, like /srv/shop."
            )
        for name in self.shared:
            _require_inside(name)

    def release(self, number: int) -> str:
        return f"{self.path}/releases/{number:d}"

    def upload(self, number: int) -> str:
        """Where the archive of a release lies until it is unpacked."""
        return f"{self.path}/releases/.{number:d}.upload"

    def environment_file(self, number: int, deploy: int) -> str:
        """Where a deploy's configuration waits: a running release keeps its own until the switch."""
        return f"{self.path}/releases/.{number:d}.env.{deploy:d}"

    def step(self, deploy: int, token: str, name: str) -> str:
        """Where a step that must not run twice keeps its log, its process id and its exit status."""
        return f"{self.path}/.slipway-steps/{deploy:d}-{token}/{name}"

    @property
    def releases(self) -> str:
        return f"{self.path}/releases"

    @property
    def shared_directory(self) -> str:
        return f"{self.path}/shared"

    @property
    def current(self) -> str:
        return f"{self.path}/current"

    @property
    def marker(self) -> str:
        return f"{self.path}/.slipway-release"

    @property
    def lock(self) -> str:
        return f"{self.path}/.slipway-lock"

    @property
    def steps(self) -> str:
        return f"{self.path}/.slipway-steps"


def layout_of(spec: DeploySpec) -> Layout:
    """Commands work in a directory that is theirs, often a clone: ours lies inside it, out of their way."""
    if spec.kind is ReleaseKind.COMMANDS:
        return Layout(f"{spec.path}/.slipway")
    return Layout(spec.path, spec.shared)


def _require_inside(name: str) -> None:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\0" in name:
        raise BadLayout(f"shared path {name!r}: write a path inside the release, like var/uploads.")


def render_environment(values: dict[str, str]) -> bytes:
    """The `.env` file: the same to sh, systemd and the dotenv libraries. Raises BadConfiguration."""
    lines = [f"{_checked(name, value)}={_quoted(value)}\n" for name, value in sorted(values.items())]
    return "".join(lines).encode()


def _checked(name: str, value: str) -> str:
    if not _NAME.match(name):
        raise BadConfiguration(f"{name!r} is not a name for an environment variable.")
    if "\0" in value:
        raise BadConfiguration(f"The value of {name} contains a zero byte.")
    return name


def _quoted(value: str) -> str:
    if _PLAIN_VALUE.match(value):
        return value
    return '"' + re.sub(r'([\\"$`])', r"\\\1", value) + '"'
