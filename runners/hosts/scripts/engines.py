"""Pure: the POSIX sh parts that ask a host's engine, and bring it images.

Each may be repeated, prints `name=value` lines, and says why when it refuses. No part holds a secret: a registry's
password comes over the input, and settings are in files of mode 0600.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from shlex import quote

from runners.hosts.scripts.layout import Layout
from runners.hosts.scripts.states import MISSING_TOOL, NO_SPACE

NO_ENGINE = 81
NO_IMAGE = 82

# Every script with these parts begins with it: `$engine` is the program.
FIND = f"""\
engine=$(command -v docker || command -v podman) || {{
  echo 'this host has no docker (nor podman): an image needs an engine to run on'; exit {MISSING_TOOL}
}}"""

_ANSWERS = f"""\
if ! said=$("$engine" version 2>&1); then
  echo "the engine does not answer this user, who may have to be in the group docker: $said"; exit {NO_ENGINE}
fi"""

_ROOM = f"""\
root=$("$engine" info --format '{{{{.DockerRootDir}}}}' 2>/dev/null || echo /var/lib)
free=$(free_kilobytes "$root" 2>/dev/null || echo)
if [ -n "$free" ] && [ "$free" -lt "$needed" ]; then
  echo "the engine's disk has $((free / 1024)) MiB free at $root, and the image needs $((needed / 1024)) MiB"
  exit {NO_SPACE}
fi"""

_TELL = """\
port={{index .Config.Labels "slipway.port"}}
image={{index .Config.Labels "slipway.image"}}
up={{.State.Running}}"""

_SIGN_IN = f"""\
keys=$keys.$$; mkdir -m 700 "$keys"
trap 'rm -rf "$keys"' EXIT; trap 'exit 143' HUP INT TERM
IFS= read -r password
sign_in() {{ "$engine" --config "$keys" login --username "$user" --password-stdin "$host"; }}
said=$(printf '%s' "$password" | sign_in 2>&1) || {{
  echo "signing in to $host as $user failed: $said"; exit {NO_IMAGE}
}}"""


@dataclass(frozen=True, slots=True)
class Login:
    """How to sign in to a registry; the password comes as the next line of the script's input."""

    host: str
    username: str


@dataclass(frozen=True, slots=True)
class Running:
    """What the engine says of a container; `image` is the digest that it was made from, in hex."""

    container: str
    port: int | None
    image: str
    is_up: bool = True


def check(image: str, image_bytes: int) -> str:
    """For the pre-flight: the engine answers, and the image is there or has room. Needs `free_kilobytes`."""
    return "\n".join(
        (
            FIND,
            _ANSWERS,
            f"if {_has(image)}; then echo image=present; else",
            f"needed={image_bytes * 11 // 10 // 1024:d}",
            _ROOM,
            "fi",
        )
    )


def pull(layout: Layout, image: str, login: Login | None) -> str:
    """Bring the image by its digest. What a sign-in leaves lies in a directory of its own, and goes with it."""
    sign_in, config = "", ""
    if login is not None:
        sign_in = f"user={quote(login.username)} host={quote(login.host)}\n{_SIGN_IN}\n"
        config = '--config "$keys" '
    return (
        f'keys={quote(f"{layout.path}/.slipway-keys")}; rm -rf "$keys".*\n'
        f"if {_has(image)}; then echo image=present; else\n"
        f'{sign_in}said=$("$engine" {config}pull {quote(image)} 2>&1) || {{\n'
        f'  echo {quote(f"{image} cannot be pulled:")} "$said"; exit {NO_IMAGE}\n'
        '}\nrm -rf "$keys"; echo image=pulled\nfi'
    )


def read_serving(layout: Layout) -> str:
    """Print what `parse` reads of the container that serves; nothing on a host without. A script of its own."""
    return "\n".join(
        (
            f"{{ read -r name < {quote(layout.path)}/.slipway-container; }} 2>/dev/null || exit 0",
            'engine=$(command -v docker || command -v podman); echo "container=$name"',
            f'"$engine" inspect --type container --format \'{_TELL}\' "$name" 2>/dev/null || echo up=gone',
        )
    )


def parse(text: str) -> Running | None:
    """Read what `read_serving` or the start of a container printed; None if no container is named."""
    values = dict(line.partition("=")[::2] for line in text.splitlines())
    if not values.get("container"):
        return None
    port = values.get("port", "")
    is_up = values.get("up", "true") == "true"
    return Running(values["container"], int(port) if port.isdecimal() else None, values.get("image", ""), is_up)


def render_settings(values: Mapping[str, str]) -> tuple[bytes, tuple[str, ...]]:
    """The environment file of a container, raw as engines read it, and the names of those it cannot hold: values of
    several lines."""
    lines = tuple(sorted(name for name, value in values.items() if "\n" in value or "\r" in value))
    text = "".join(f"{name}={value}\n" for name, value in sorted(values.items()) if name not in lines)
    return text.encode(), lines


def _has(image: str) -> str:
    return f'"$engine" image inspect {quote(image)} > /dev/null 2>&1'
