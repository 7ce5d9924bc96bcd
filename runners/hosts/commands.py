"""Pure: the POSIX sh commands that prepare, fill, switch and clean the directories of a host.

Each runs under dash with coreutils and under busybox, may be repeated, and says why when it refuses.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from shlex import quote

from runners.hosts.layout import Layout

REFUSED_BY_FENCE = 73
WRONG_DIGEST = 74
NO_SPACE = 75
NO_RELEASE = 76
MISSING_TOOL = 77

TOOLS = ("setsid", "tar", "gzip", "sha256sum", "df", "mv", "ln", "sort", "tail", "head", "od", "readlink")

_FREE_KILOBYTES = "df -Pk {} | tail -n 1 | sed 's/ *[0-9]*%.*//; s/.* //'"


@dataclass(frozen=True, slots=True)
class Claim:
    """Who acts on a host: a deploy, by the fence of its lease. A host obeys the highest fence it ever saw.

    `token` tells the deploy from one that had its number before the database was made anew.
    """

    deploy: int
    fence: int
    token: str = "0"


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
    """What a host says of itself; `current` is None before the first switch, `digest` is its digest."""

    current: int | None
    digest: str
    releases: tuple[int, ...]
    fence: int
    marker: Marker | None


def take_lock(layout: Layout, claim: Claim) -> str:
    """Raise the host's fence to ours; ends with REFUSED_BY_FENCE if it has seen a higher one.

    Fences are names in one directory and the highest counts, so no order of two takers can lose one.
    """
    return _script(
        f"mkdir -p {quote(layout.lock)}/{claim.fence:d}",
        f"echo {claim.deploy:d} > {quote(layout.lock)}/{claim.fence:d}/deploy",
        guard(layout, claim),
        f"cd {quote(layout.lock)}",
        # What a lower taker is writing at this moment cannot be removed; it counts for nothing and goes next time.
        f'for seen in [0-9]*; do if [ "$seen" -lt {claim.fence:d} ]; then rm -rf "./$seen" || true; fi; done',
    )


def prepare(layout: Layout, claim: Claim, needed_bytes: int) -> str:
    """Make the directories, and refuse a host that lacks a tool, a permission or the disk space.

    Leaves a tenth of the needed space, and 16 MiB, untouched.
    """
    needed_kilobytes = needed_bytes * 11 // 10 // 1024 + 16 * 1024
    return _script(
        *(
            f"command -v {tool} >/dev/null || {{ echo 'this host lacks {tool}'; exit {MISSING_TOOL}; }}"
            for tool in TOOLS
        ),
        f"mkdir -p {quote(layout.releases)} {quote(layout.shared_directory)} {quote(layout.steps)}",
        f"chmod 700 {quote(layout.steps)}",
        f"free=$({_FREE_KILOBYTES.format(quote(layout.releases))})",
        f'if [ "$free" -lt {needed_kilobytes:d} ]; then',
        f'  echo "the disk has $((free / 1024)) MiB free at" {quote(layout.path)}'
        f"', and {needed_kilobytes // 1024} MiB are needed'; exit {NO_SPACE}",
        "fi",
        f"cd {quote(layout.releases)}",
        "ln -s a .probe.$$ && mv -fT .probe.$$ .probe.done && rm -f .probe.done"
        f" || {{ echo 'mv -T does not work on this host'; exit {MISSING_TOOL}; }}",
        guard(layout, claim),
    )


def has_release(layout: Layout, number: int, digest: str) -> str:
    """Status 0 if that release lies on the host, unpacked from exactly that archive."""
    recorded = f"{layout.release(number)}/.slipway-digest"
    return f'[ "$(cat {quote(recorded)} 2>/dev/null)" = {quote(digest)} ]'


def unpack(layout: Layout, claim: Claim, number: int, digest: str, root: str = "") -> str:
    """Turn the uploaded tar, gzipped or not, into releases/<n>, if its SHA-256 (hex) there is the release's.

    `root` is the path in the archive that becomes the release: what lies in that directory, or that one file.
    A release appears whole under its name or not at all. One that is there with another digest is refused.
    """
    archive, fresh = layout.upload(number), f"{layout.releases}/.{number:d}.new"
    inner, ready = f"{fresh}/{root}".rstrip("/"), f"{layout.releases}/.{number:d}.ready"
    recorded = f"{layout.release(number)}/.slipway-digest"
    return _script(
        guard(layout, claim),
        f"if {has_release(layout, number, digest)}; then rm -f {quote(archive)}; exit 0; fi",
        f"if [ -e {quote(layout.release(number))} ]; then",
        f"  echo {quote(layout.release(number))} 'is there already, but from another archive:'"
        f" $(cat {quote(recorded)} 2>&1); exit {WRONG_DIGEST}",
        "fi",
        f"actual=$(sha256sum < {quote(archive)} | head -c 64)",
        f'if [ "$actual" != {quote(digest)} ]; then',
        f'  echo "the archive arrived with digest $actual instead of "{quote(digest)}; exit {WRONG_DIGEST}',
        "fi",
        f"rm -rf {quote(fresh)}",
        f"mkdir {quote(fresh)}",
        f"if [ \"$(head -c 2 {quote(archive)} | od -An -tx1 | tr -d ' ')\" = 1f8b ]",
        f"then gzip -dc < {quote(archive)}; else cat {quote(archive)}; fi | tar -xo -C {quote(fresh)} -f - || {{",
        f"  free=$({_FREE_KILOBYTES.format(quote(layout.releases))})",
        f"  rm -rf {quote(fresh)} {quote(archive)}",
        f'  echo "it could not be unpacked; the disk had $((free / 1024)) MiB of space left"; exit {NO_SPACE}',
        "}",
        f"rm -rf {quote(ready)}",
        f"if [ -d {quote(inner)} ]; then mv -T {quote(inner)} {quote(ready)}",
        f"else mkdir {quote(ready)}; mv {quote(inner)} {quote(ready)}; fi",
        f"echo {quote(digest)} > {quote(ready)}/.slipway-digest",
        f"mv -T {quote(ready)} {quote(layout.release(number))}",
        f"rm -rf {quote(fresh)} {quote(archive)}",
    )


def link_shared(layout: Layout, claim: Claim, number: int) -> str:
    """Point the shared paths of a release at shared/; what the archive has in their place is dropped."""
    return _script(
        guard(layout, claim),
        *(_link_one(layout, number, name) for name in layout.shared),
    )


def _link_one(layout: Layout, number: int, name: str) -> str:
    name = name.rstrip("/")  # or the link would be looked for, and made, inside what it stands for
    inside, outside = f"{layout.release(number)}/{name}", f"{layout.shared_directory}/{name}"
    return (
        f"mkdir -p {quote(outside)} {quote(inside.rpartition('/')[0])}\n"
        f"[ -L {quote(inside)} ] || {{ rm -rf {quote(inside)}; ln -s {quote(outside)} {quote(inside)}; }}"
    )


def place_environment(layout: Layout, claim: Claim, number: int) -> str:
    """Give a release the configuration that was put beside it; one rename, repeatable."""
    waiting = layout.environment_file(number, claim.deploy)
    target = f"{layout.release(number)}/.env"
    return _script(
        guard(layout, claim),
        f"if [ -f {quote(waiting)} ]; then mv -fT {quote(waiting)} {quote(target)}; fi",
    )


def switch(layout: Layout, claim: Claim, number: int) -> str:
    """Point `current` at a release with one rename, so that no reader ever finds it missing."""
    beside = f"{layout.path}/.current.{claim.fence:d}"
    return _script(
        guard(layout, claim),
        f"[ -d {quote(layout.release(number))} ] || {{ echo 'release {number:d} is not on this host';"
        f" exit {NO_RELEASE}; }}",
        f"rm -f {quote(beside)}",
        f"ln -s releases/{number:d} {quote(beside)}",
        f"mv -fT {quote(beside)} {quote(layout.current)}",
    )


def write_marker(layout: Layout, marker: Marker) -> str:
    """Record on the host what it has finished, for a worker that takes over."""
    text = (
        f"release={marker.release:d}\ndigest={marker.digest}\ndeploy={marker.deploy:d}\n"
        f"fence={marker.fence:d}\nstep={marker.step}\n"
    )
    beside = f"{layout.marker}.{marker.fence:d}"
    return _script(
        guard(layout, Claim(marker.deploy, marker.fence)),
        f"printf %s {quote(text)} > {quote(beside)}",
        f"mv -fT {quote(beside)} {quote(layout.marker)}",
    )


def read_state(layout: Layout) -> str:
    """Print what `parse_state` reads; changes nothing and works on a host never deployed to."""
    return "\n".join(
        (
            f"cd {quote(layout.path)} 2>/dev/null || exit 0",
            'echo "current=$(readlink current)"',
            'echo "current_digest=$(cat current/.slipway-digest 2>/dev/null)"',
            'for entry in releases/[0-9]*; do [ ! -d "$entry" ] || echo "present=${entry##*/}"; done',
            'for entry in .slipway-lock/[0-9]*; do [ ! -d "$entry" ] || echo "seen=${entry##*/}"; done',
            "cat .slipway-release 2>/dev/null",
            "exit 0",
        )
    )


def parse_state(text: str) -> HostState:
    """Read what `read_state` printed; lines of other origin are passed over."""
    pairs = [(name, value) for name, _, value in (line.partition("=") for line in text.splitlines())]
    values = dict(pairs)
    current = re.fullmatch(r"(?:.*/)?releases/(\d+)/?", values.get("current", ""))
    return HostState(
        int(current[1]) if current else None,
        values.get("current_digest", ""),
        tuple(sorted(_numbers(pairs, "present"))),
        max(_numbers(pairs, "seen"), default=0),
        _parse_marker(values),
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


def prune(layout: Layout, claim: Claim, keep: int, never: Sequence[int]) -> str:
    """Remove all but the newest `keep` releases, never the current one nor those named; print what went.

    Also clears half-made releases, uploads and configurations that died with their deploy.
    """
    spared = " ".join(str(number) for number in never)
    return _script(
        guard(layout, claim),
        f"cd {quote(layout.releases)}",
        f"current=$(readlink {quote(layout.current)} || true)",
        f"spared=' {spared} '",
        "kept=0",
        'for number in $(for entry in [0-9]*; do echo "$entry"; done | sort -rn); do',
        "  case $number in *[!0-9]*) continue;; esac",
        "  kept=$((kept + 1))",
        f'  [ "$kept" -gt {keep:d} ] || continue',
        '  [ "releases/$number" != "$current" ] || continue',
        '  case "$spared" in *" $number "*) continue;; esac',
        '  rm -rf "./$number" && echo "removed release $number"',
        "done",
        "rm -rf ./.[0-9]*.new ./.[0-9]*.ready ./.[0-9]*.upload* ./.[0-9]*.env.*",
        f"cd {quote(layout.steps)}",
        f'for deploy in [0-9]*; do if [ "${{deploy%%-*}}" -lt {claim.deploy - 20:d} ] 2>/dev/null;'
        ' then rm -rf "./$deploy"; fi; done',
    )


def guard(layout: Layout, claim: Claim) -> str:
    """Refuse to go on if a later deploy has taken this host over."""
    return (
        f"for seen in {quote(layout.lock)}/[0-9]*; do\n"
        f'  if [ -d "$seen" ] && [ "${{seen##*/}}" -gt {claim.fence:d} ]; then\n'
        f'    echo "a later deploy has this host: fence ${{seen##*/}}, deploy'
        f' $(cat "$seen/deploy" 2>/dev/null); ours is {claim.fence:d}"; exit {REFUSED_BY_FENCE}\n'
        "  fi\n"
        "done"
    )


def _script(*lines: str) -> str:
    return "\n".join(("set -eu", "umask 022", *lines))
