"""Pure: the POSIX sh parts that fill, switch and clean the directories of a host; `guarded` makes scripts of them.

Each runs under dash with coreutils and under busybox, may be repeated, and says why when it refuses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote

from runners.hosts.scripts.hostlock import Claim
from runners.hosts.scripts.layout import Layout
from runners.hosts.scripts.states import FREE_KILOBYTES, NO_SPACE, has_release

WRONG_DIGEST = 74
NO_RELEASE = 76
CUT_OFF = 80

MANIFEST = ".slipway-files"
CHANGED_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Parcel:
    """An archive that comes over a script's input: a tar, gzipped or not, of so many bytes.

    `root` is the path in it that becomes the release: what lies in that directory, or that one file. After the archive
    comes the list of the release's files, of so many bytes; 0: the host makes it.
    """

    digest: str
    size: int
    is_gzipped: bool
    root: str = ""
    files_bytes: int = 0


def receive_environment(layout: Layout, claim: Claim, number: int, lines: int) -> str:
    """Take the configuration from the first `lines` lines of the input, to wait beside the release."""
    waiting = quote(layout.environment_file(number, claim.deploy))
    return "\n".join(
        (
            "umask 077",
            f"left={lines:d}",
            'while [ "$left" -gt 0 ] && IFS= read -r line; do',
            "  printf '%s\\n' \"$line\"; left=$((left - 1))",
            f"done > {waiting}",
            "umask 022",
            'if [ "$left" -gt 0 ]; then',
            f"  rm -f {waiting}; echo 'the configuration did not arrive whole'; exit {CUT_OFF}",
            "fi",
        )
    )


def receive_archive(layout: Layout, number: int, parcel: Parcel) -> str:
    """Turn the rest of the input into releases/<n>, if its SHA-256 is the parcel's.

    A release appears whole under its name, with its shared paths linked and a list of its files, or not at all. One
    that is there with another digest is refused.
    """
    archive, fresh = quote(layout.upload(number)), quote(f"{layout.releases}/.{number:d}.new")
    return "\n".join(
        (
            f"if ! {has_release(layout, number, parcel.digest)}; then",
            _refuse_another(layout, number),
            *unpack_beside(layout, number, parcel),
            _finish_release(layout, number, parcel),
            f"rm -rf {fresh} {archive}",
            "fi",
        )
    )


def unpack_beside(layout: Layout, number: int, parcel: Parcel) -> tuple[str, ...]:
    """Turn the rest of the input into the directory `$ready`, with its shared paths linked, if its SHA-256 is right."""
    archive, fresh = quote(layout.upload(number)), quote(f"{layout.releases}/.{number:d}.new")
    return (
        FREE_KILOBYTES,
        f"[ ! -e {archive} ] && [ ! -e {fresh} ] || rm -rf {archive} {fresh}",
        _store_checked(layout, archive, parcel),
        f"mkdir {fresh}",
        f"{'gzip -dc' if parcel.is_gzipped else 'cat'} < {archive} | tar -xo -C {fresh} -f - || {{",
        f"  look_at_disk {quote(layout.releases)}; rm -rf {fresh} {archive}",
        f'  echo "it could not be unpacked; the disk had $((free / 1024)) MiB of space left"; exit {NO_SPACE}',
        "}",
        _make_ready(layout, number, parcel.root),
        *(_link_one(layout, '"$ready"', name) for name in layout.shared),
    )


def make_release(layout: Layout, number: int, digest: str) -> str:
    """releases/<n> of a kind that ships no files: a place for its configuration and its digest."""
    release = quote(layout.release(number))
    return f"[ -d {release} ] || mkdir {release}\necho {quote(digest)} > {release}/.slipway-digest"


def _refuse_another(layout: Layout, number: int) -> str:
    release = quote(layout.release(number))
    return (
        f"if [ -e {release} ]; then\n"
        f'  echo {release} "is there already, but from another archive: $found. After a database was restored numbers"'
        f' "come again: unless" {quote(layout.current)} "leads there, remove it here and deploy again; else cut a newer'
        ' release";'
        f" exit {WRONG_DIGEST}\n"
        "fi"
    )


def _store_checked(layout: Layout, archive: str, parcel: Parcel) -> str:
    look = f"look_at_disk {quote(layout.releases)}; size=$(wc -c < {archive}); rm -f {archive}"
    space = "the disk had $((free / 1024)) MiB of space left"
    return "\n".join(
        (
            f"head -c {parcel.size:d} > {archive} 2>/dev/null || {{ {look}",
            f'  echo "only $((size)) of the {parcel.size:d} bytes of the archive could be written; {space}"',
            f"  exit {NO_SPACE}; }}",
            f"actual=$(sha256sum < {archive}); actual=${{actual%% *}}",
            f'[ "$actual" = {quote(parcel.digest)} ] || {{ {look}',
            f'  echo "$((size)) of the {parcel.size:d} bytes of the archive arrived, with digest $actual instead of"'
            f" {quote(parcel.digest)}; exit {WRONG_DIGEST}; }}",
        )
    )


def _make_ready(layout: Layout, number: int, root: str) -> str:
    """What becomes the release lies in `$ready`."""
    fresh, alone = f"{layout.releases}/.{number:d}.new", f"{layout.releases}/.{number:d}.ready"
    inner = quote(f"{fresh}/{root}".rstrip("/"))
    return (
        f"ready={inner}\n"
        f'if [ ! -d "$ready" ]; then rm -rf {quote(alone)}; mkdir {quote(alone)}; mv {inner} {quote(alone)};'
        f" ready={quote(alone)}; fi"
    )


def _finish_release(layout: Layout, number: int, parcel: Parcel) -> str:
    made = "find . -type f ! -path './.env' ! -path './.slipway-*' -exec sha256sum {} +"
    files = f"head -c {parcel.files_bytes:d}" if parcel.files_bytes else made
    return "\n".join(
        (
            *(_link_one(layout, '"$ready"', name) for name in layout.shared),
            '( cd "$ready"; for old in .slipway-*; do [ ! -e "$old" ] || rm -rf "./$old"; done',
            f"{files} > {MANIFEST} )",
            f'echo {quote(parcel.digest)} > "$ready/.slipway-digest"',
            f'mv -T "$ready" {quote(layout.release(number))}',
        )
    )


def link_shared(layout: Layout, number: int) -> str:
    """Point the shared paths of a release at shared/; what the archive has in their place is dropped."""
    return "\n".join(_link_one(layout, quote(layout.release(number)), name) for name in layout.shared)


def _link_one(layout: Layout, release: str, name: str) -> str:
    name = name.rstrip("/")  # or the link would be looked for, and made, inside what it stands for
    outside, inside = quote(f"{layout.shared_directory}/{name}"), f"{release}/{quote(name)}"
    above = f"{release}/{quote(name.rpartition('/')[0])}"
    return (
        f"[ -d {outside} ] || mkdir -p {outside}\n"
        f"[ -L {inside} ] || {{ [ -d {above} ] || mkdir -p {above}; rm -rf {inside}; ln -s {outside} {inside}; }}"
    )


def place_environment(layout: Layout, claim: Claim, number: int) -> str:
    """Give a release the configuration that waits beside it; one rename, repeatable."""
    waiting = quote(layout.environment_file(number, claim.deploy))
    return f"[ ! -f {waiting} ] || mv -fT {waiting} {quote(layout.release(number))}/.env"


def switch(layout: Layout, claim: Claim, number: int) -> str:
    """Point `current` at a release with one rename, so that no reader ever finds it missing."""
    beside = quote(f"{layout.path}/.current.{claim.fence:d}")
    return "\n".join(
        (
            f"[ -d {quote(layout.release(number))} ] || {{ echo 'release {number:d} is not on this host';"
            f" exit {NO_RELEASE}; }}",
            f"[ ! -L {beside} ] || rm -f {beside}",
            f"ln -s releases/{number:d} {beside}",
            f"mv -fT {beside} {quote(layout.current)}",
        )
    )


def prune(layout: Layout, claim: Claim, keep: int, never: Sequence[int]) -> str:
    """Remove all but the newest `keep` releases, never the current one nor those named; print what went.

    Also clears half-made releases, uploads and configurations that died with their deploy. Every path is a whole one:
    nothing depends on where the script stands.
    """
    spared = " ".join(str(number) for number in never)
    return "\n".join(
        (
            f"releases={quote(layout.releases)}",
            f"spared=' {spared} ' numbers=",
            'for release in "$releases"/[0-9]*; do',
            '  number=${release##*/}; case $number in *[!0-9]*) ;; *) numbers="$numbers $number";; esac',
            "done",
            "for number in $numbers; do",
            '  newer=0; for other in $numbers; do [ "$other" -le "$number" ] || newer=$((newer + 1)); done',
            f'  [ "$newer" -ge {keep:d} ] && [ ! "$releases/$number" -ef {quote(layout.current)} ] || continue',
            '  case "$spared" in *" $number "*) continue;; esac',
            '  rm -rf "$releases/$number" && echo "removed release $number"',
            "done",
            'for rest in "$releases"/.[0-9]*.new "$releases"/.[0-9]*.ready "$releases"/.[0-9]*.upload*'
            ' "$releases"/.[0-9]*.env.*; do [ ! -e "$rest" ] || rm -rf "$rest"; done',
            f"for steps in {quote(layout.steps)}/[0-9]*; do",
            "  deploy=${steps##*/}",
            f'  if [ "${{deploy%%-*}}" -lt {claim.deploy - 20:d} ] 2>/dev/null; then rm -rf "$steps"; fi',
            "done",
        )
    )


def changed_files(layout: Layout, number: int, at_most: int = 20) -> str:
    """Print the names of a release's files that are no longer as they were shipped or are gone, one per line.

    A whole script of its own. At most so many names; nothing for a release without a list of its files.
    """
    return (
        f"cd {quote(layout.release(number))} 2>/dev/null && [ -s {MANIFEST} ] || exit 0\n"
        f"sha256sum -c {MANIFEST} 2>/dev/null"
        " | sed -n -e 's/: FAILED.*$//' -e 't said' -e d -e ':said' -e 's,^\\./,,' -e p"
        f" | head -n {at_most:d}"
    )
