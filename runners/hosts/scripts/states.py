"""Pure: what a host says of itself, and the pre-flight that asks for it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from shlex import quote

from runners.hosts.scripts import hostlock, leftovers
from runners.hosts.scripts.hostlock import Claim
from runners.hosts.scripts.layout import Layout

NO_SPACE = 75
MISSING_TOOL = 77
NO_SUDO = 79
# Left untouched on a host's disk.
SPARE_KILOBYTES = 16 * 1024

TOOLS = ("setsid", "mkfifo", "sha256sum", "df", "mv", "ln", "tail", "head", "readlink", "find", "sed", "sort")

# The kilobytes free where $1 stands, in `free` or printed: the word before the percentage, as a device's name may have
# spaces.
FREE_KILOBYTES = """\
look_at_disk() {
  line=$(df -Pk "$1"); line=${line##*
}; set -- ${line%%%*}; shift $(($# - 2)); free=$1
}
free_kilobytes() { look_at_disk "$1"; echo "$free"; }"""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a deploy wants of a host. `release_bytes` are needed only where the release is not yet."""

    number: int
    digest: str
    tools: tuple[str, ...] = ()
    sudo: bool = False
    disk_mb: int = 0
    release_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Marker:
    """What a host last finished: which step of which deploy, and for which release."""

    release: int
    digest: str
    deploy: int
    fence: int
    step: str


@dataclass(frozen=True, slots=True)
class HostState:
    """What a host says of itself; `current` is None before the first switch, `digest` is its digest.

    Only the pre-flight says `has_release` (the wanted one lies there), `taken_from` (a server that held the host),
    `ended` (other deploys' steps that still ran) and `migrating` (the session of one that is a migration).
    """

    current: int | None
    digest: str
    releases: tuple[int, ...]
    fence: int
    marker: Marker | None
    has_release: bool = False
    taken_from: str = ""
    ended: tuple[str, ...] = ()
    migrating: str = ""

    def __str__(self) -> str:
        return f"release {self.current}, digest {self.digest[:12]}" if self.current else "no release yet"


def preflight(layout: Layout, claim: Claim, needs: Needs, *kinds_own: str) -> str:
    """Take the lock, refuse a host that lacks something, make the directories, and print the state. Once per deploy.

    Nothing that serves is changed. `kinds_own` are parts of the kind of release; they print `name=value` lines.
    """
    return "\n".join(
        (
            "set -eu\numask 022",
            *(_tool(name) for name in (*TOOLS, *needs.tools)),
            *([_SUDO] if needs.sudo else []),
            hostlock.take(layout, claim),
            _directories(layout),
            leftovers.end_leftovers(layout, claim),
            FREE_KILOBYTES,
            _has_room(layout, needs),
            _can_rename(layout),
            *kinds_own,
            read_state(layout),
        )
    )


def _tool(name: str) -> str:
    said = quote(f"this host lacks {name}")
    return f"command -v {quote(name)} >/dev/null || {{ echo {said}; exit {MISSING_TOOL}; }}"


_SUDO = (
    "sudo -n true 2>/dev/null || { echo 'sudo wants a password here: allow this user what the deploy needs"
    f" without one (NOPASSWD)'; exit {NO_SUDO}; }}"
)


def _directories(layout: Layout) -> str:
    wanted = " ".join(quote(path) for path in (layout.releases, layout.shared_directory, layout.steps))
    return f"[ -d {quote(layout.steps)} ] || {{ mkdir -p {wanted}; chmod 700 {quote(layout.steps)}; }}"


def _has_room(layout: Layout, needs: Needs) -> str:
    spare = SPARE_KILOBYTES + needs.disk_mb * 1024
    whole = spare + needs.release_bytes * 11 // 10 // 1024
    return "\n".join(
        (
            f"look_at_disk {quote(layout.releases)}",
            f"if {has_release(layout, needs.number, needs.digest)}; then echo has=yes; needed={spare:d};"
            f" else needed={whole:d}; fi",
            'if [ "$free" -lt "$needed" ]; then',
            f'  echo "the disk has $((free / 1024)) MiB free at" {quote(layout.path)}'
            f'", and $((needed / 1024)) MiB are needed"; exit {NO_SPACE}',
            "fi",
        )
    )


def _can_rename(layout: Layout) -> str:
    """A switch that worked once needs no trial."""
    return (
        f"[ -L {quote(layout.current)} ] || (\n  cd {quote(layout.releases)}\n"
        "  ln -s a .probe.$$ && mv -fT .probe.$$ .probe.done && rm -f .probe.done\n"
        f") || {{ echo 'mv -T does not work on this host'; exit {MISSING_TOOL}; }}"
    )


def has_release(layout: Layout, number: int, digest: str) -> str:
    """A condition: that release lies on the host, from exactly that archive or image."""
    recorded = quote(f"{layout.release(number)}/.slipway-digest")
    return f'{{ found=; {{ read -r found < {recorded}; }} 2>/dev/null; [ "$found" = {quote(digest)} ]; }}'


# Without a process of its own, unless the link leads out of releases/ or nowhere.
_CURRENT = """\
( cd -P current 2>/dev/null && case $PWD in */releases/*) echo "current=$PWD";; *) exit 1;; esac ) ||
  echo "current=$(readlink current)\""""


def read_state(layout: Layout) -> str:
    """Print what `parse_state` reads; changes nothing and works on a host never deployed to. Ends the script."""
    return "\n".join(
        (
            f"cd {quote(layout.path)} 2>/dev/null || exit 0",
            _CURRENT,
            'digest=; { read -r digest < current/.slipway-digest; } 2>/dev/null || true; echo "current_digest=$digest"',
            'for entry in releases/[0-9]*; do [ ! -d "$entry" ] || echo "present=${entry##*/}"; done',
            'for entry in .slipway-lock/[0-9]*; do [ ! -e "$entry" ] || echo "seen=${entry##*/}"; done',
            '{ while read -r line; do echo "$line"; done < .slipway-release; } 2>/dev/null || true',
            "exit 0",
        )
    )


def parse_state(text: str) -> HostState:
    """Read what `read_state` or the pre-flight printed; lines of other origin are passed over."""
    pairs = [(name, value) for name, _, value in (line.partition("=") for line in text.splitlines())]
    values = dict(pairs)
    current = re.fullmatch(r"(?:.*/)?releases/(\d+)/?", values.get("current", ""))
    return HostState(
        int(current[1]) if current else None,
        values.get("current_digest", ""),
        tuple(sorted(_numbers(pairs, "present"))),
        max(_numbers(pairs, "seen"), default=0),
        _parse_marker(values),
        values.get("has") == "yes",
        values.get("taken_from", "").strip(),
        tuple(value for name, value in pairs if name == "ended"),
        values.get("migrating", ""),
    )


def _numbers(pairs: Iterable[tuple[str, str]], name: str) -> list[int]:
    return [int(value) for key, value in pairs if key == name and value.isdecimal()]


def _parse_marker(values: dict[str, str]) -> Marker | None:
    try:
        return Marker(
            int(values["release"]),
            values["digest"],
            int(values["deploy"]),
            int(values["fence"]),
            values["step"],
        )
    except (KeyError, ValueError):
        return None


def write_marker(layout: Layout, marker: Marker) -> str:
    """Record on the host what it has finished, for a worker that takes over."""
    text = (
        f"release={marker.release:d}\ndigest={marker.digest}\ndeploy={marker.deploy:d}\n"
        f"fence={marker.fence:d}\nstep={marker.step}\n"
    )
    beside = f"{layout.marker}.{marker.fence:d}"
    return f"printf %s {quote(text)} > {quote(beside)}\nmv -fT {quote(beside)} {quote(layout.marker)}"
