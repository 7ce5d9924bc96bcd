"""From the steps of a stage to the files that its container runs. Pure.

Steps are files and not arguments: they show in no process list and have no length limit. Each is a shell of its own,
so `exit 0` or `cd` in one never touches the next.
"""

import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

WORKSPACE = "/workspace"
MAIN = "/slipway/main"
LAST_WORD = "/slipway/code"  # the code that the script ended with by its own will; not there when it was told to stop
CA_BUNDLE = "/slipway/ca.pem"

_STEPS = "/slipway/steps"
_END_OF_TAR = bytes(2 * tarfile.BLOCKSIZE)

# An engine runs a container that has ended once more when a runner that knows no better tells it to: then the script
# only repeats how it ended. All output is one stream, so that errors stand where they happened, and no step waits for
# input that never comes. A TERM goes to every process: the step may clean up, then the script ends, and what is left.
_MAIN = f"""\
if ! (set -C; : >/slipway/began) 2>/dev/null; then
    exit "$(cat {LAST_WORD} || echo 125)"
fi
exec 2>&1 </dev/null
stopped=
finish() {{
    echo "$1" >{LAST_WORD}
    exit "$1"
}}
trap 'stopped=1' TERM
step() {{
    printf '\\033]slipway;%d;begin\\007' "$1"
    code=0
    /bin/sh -e "{_STEPS}/$1" || code=$?
    printf '\\033]slipway;%d;end;%d\\007' "$1" "$code"
    if [ -n "$stopped" ]; then exit 143; fi
    if [ "$code" -ne 0 ]; then finish "$code"; fi
}}
"""


def main_script(steps: int) -> str:
    """The script of a container with so many steps; it ends with the code of the first step that fails."""
    return _MAIN + "".join(f"step {position}\n" for position in range(steps)) + "finish 0\n"


def files_of(steps: Sequence[str], ca_bundle: bytes | None = None) -> dict[str, bytes]:
    """Absolute path → content of all that the container needs besides its workspace."""
    files = {MAIN: main_script(len(steps)).encode()}
    files |= {f"{_STEPS}/{position}": f"{step}\n".encode() for position, step in enumerate(steps)}
    if ca_bundle is not None:
        files[CA_BUNDLE] = ca_bundle
    return files


def archive(files: Mapping[str, bytes], workspace: Iterable[bytes] = ()) -> Iterator[bytes]:
    """One tar to unpack at `/`: the files, then `workspace`, a tar stream (not compressed) whose names begin with
    `workspace/`. One archive, because every unpacking costs the engine 40 ms."""
    yield b"".join(chain.from_iterable(_member(path, content) for path, content in files.items()))
    yield from workspace
    yield _END_OF_TAR


def _member(path: str, content: bytes) -> Iterator[bytes]:
    info = tarfile.TarInfo(path.lstrip("/"))
    info.size, info.mode = len(content), 0o644
    yield info.tobuf(tarfile.GNU_FORMAT)
    yield content
    yield bytes(-len(content) % tarfile.BLOCKSIZE)
