"""From the steps of a stage to the files that its container runs. Pure.

Steps are files and not arguments: they show in no process list and have no length limit. Each is a shell of its own,
so `exit 0` or `cd` in one never touches the next.
"""

import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from pipelines.spec.model import StepSpec
from runners.containers.stepping import STEPS, TIMED_OUT, WATCH, WHY, files_of_step, main_line

WORKSPACE = "/workspace"
MAIN = "/slipway/main"
LAST_WORD = "/slipway/code"  # the code that the script ended with by its own will; not there when it was told to stop
CA_BUNDLE = "/slipway/ca.pem"

GO = b"go"
IN_VAIN = 124  # how a container ends that waited and was not let go; it has printed nothing then

# What a container runs first: it can be started before anybody knows whether, or when, its script is to run. A second
# word is never read, and when whoever holds the other end is gone it ends by itself.
WAIT = f'IFS= read -r word && [ "$word" = {GO.decode()} ] || exit {IN_VAIN}; exec /bin/sh {MAIN}'

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
{WATCH}step() {{
    printf '\\033]slipway;%d;begin\\007' "$1"
    code=0 watch=
    if [ -n "${{2-}}" ]; then watch "$@" & watch=$!; fi
    if [ -e "{STEPS}/$1.start" ]; then
        /bin/sh "{STEPS}/$1.start" || code=$?
    else
        /bin/sh -e "{STEPS}/$1" || code=$?
    fi
    if [ -n "$watch" ]; then
        kill "$watch" 2>/dev/null
        if read -r why rest 2>/dev/null <{WHY} && [ "$why" = timeout ]; then code={TIMED_OUT}; fi
    fi
    printf '\\033]slipway;%d;end;%d\\007' "$1" "$code"
    if [ -n "$stopped" ]; then exit 143; fi
    if [ "$code" -ne 0 ]; then finish "$code"; fi
}}
"""


def main_script(steps: Sequence[StepSpec]) -> str:
    """The script of a container with these steps; it ends with the code of the first step that fails."""
    return _MAIN + "".join(main_line(*step) for step in enumerate(steps)) + "finish 0\n"


def files_of(steps: Sequence[StepSpec | str], ca_bundle: bytes | None = None) -> dict[str, bytes]:
    """Absolute path → content of all that the container needs besides its workspace. A text is a step without more."""
    specs = [StepSpec(step, step) if isinstance(step, str) else step for step in steps]
    files = {MAIN: main_script(specs).encode()}
    for position, spec in enumerate(specs):
        files |= files_of_step(position, spec)
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
