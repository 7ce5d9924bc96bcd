"""From a step of a stage to the shell that starts it: its program, directory, variables and time. Pure.

What a person wrote reaches the shell only as quoted words or as a file. Only a shell and `sleep` are taken for granted.

    /slipway/steps/0         what the person wrote
    /slipway/steps/0.start   for a step that asks for more than `/bin/sh -e`: how it is started
    /slipway/why             why a step was ended or could not begin, if it was: `timeout 0`, `workdir 0`, `shell 0`
"""

import re
import shlex
from collections.abc import Mapping, Sequence

from pipelines.spec.model import StepSpec

STEPS = "/slipway/steps"
WHY = "/slipway/why"
GRACE_SECONDS = 10
TIMED_OUT = 124  # the code of a step that took too long, as `timeout` gives it

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")

# The processes of a step are all there are, but for the init, this script and the watch itself: what an earlier step
# left running ends too, for the stage has failed. A TERM to the watch is its dismissal. Pids are read and counted
# without any program, since an image may have none.
WATCH = f"""\
signal_all() {{
    read -r watch rest </proc/self/stat
    for process in /proc/[0-9]*; do
        process=${{process#/proc/}}
        case $process in 1|"$$"|"$watch") ;; *) kill "-$1" "$process" 2>/dev/null ;; esac
    done
}}
watch() {{
    trap 'kill "$nap" 2>/dev/null; exit' TERM
    sleep "$2" & nap=$!
    wait "$nap" || exit
    echo "timeout $1" >{WHY}
    trap '' TERM
    signal_all TERM
    sleep {GRACE_SECONDS}
    signal_all KILL
}}
"""


def main_line(position: int, step: StepSpec) -> str:
    """How the main script calls the step."""
    return f"step {position}{f' {step.timeout_seconds}' if step.timeout_seconds else ''}\n"


def files_of_step(position: int, step: StepSpec) -> dict[str, bytes]:
    """Absolute path → content."""
    files = {f"{STEPS}/{position}": f"{step.run}\n".encode()}
    if step.shell or step.workdir or step.env:
        files[f"{STEPS}/{position}.start"] = _start(position, step).encode()
    return files


def why(told: bytes, steps: Sequence[StepSpec]) -> str:
    """What the file WHY says, in words; empty when it says nothing we know. What runs inside can write it: it says
    why a stage failed and never whether."""
    kind, _, place = told[:100].decode(errors="replace").strip().partition(" ")
    if not place.isascii() or not place.isdigit() or int(place) >= len(steps):
        return ""
    step = steps[int(place)]
    reasons = {
        "timeout": f"took longer than its timeout of {duration(step.timeout_seconds or 0)}",
        "workdir": f"could not begin: its workdir {step.workdir[:200]} is no directory in the workspace",
        "shell": f"could not begin: its shell {_program(step)[:200]} is not in the image",
    }
    return f"step {int(place) + 1}, {step.name[:80]}, {reasons[kind]}" if kind in reasons else ""


def duration(seconds: float) -> str:
    """In words: 5 min, 1 min 30 s."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes and rest else f"{minutes} min" if minutes else f"{seconds:g} s"


def exports(values: Mapping[str, str]) -> str:
    """Lines of shell that set variables; a value is one quoted word, whatever is in it."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items() if _NAME.match(name))


def _start(position: int, step: StepSpec) -> str:
    lines = exports(step.env)
    if step.workdir:
        lines += f"cd -- {shlex.quote(step.workdir)} 2>/dev/null || {_refusal('workdir', position)}\n"
    if not step.shell:
        return f"{lines}exec /bin/sh -e {STEPS}/{position}\n"
    lines += f"command -v {shlex.quote(_program(step))} >/dev/null || {_refusal('shell', position)}\n"
    return f"{lines}exec {shlex.join(shlex.split(step.shell))} {STEPS}/{position}\n"


def _refusal(kind: str, position: int) -> str:
    return f'{{ echo "{kind} {position}" >{WHY}; exit 1; }}'


def _program(step: StepSpec) -> str:
    return (shlex.split(step.shell) or [""])[0]
