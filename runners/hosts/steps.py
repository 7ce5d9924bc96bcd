"""A command that must never run twice on a host: it outlives our connection and can be taken up again.

It runs in a session of its own there, writing to a file; we follow that file. A worker that is killed loses
nothing: the next one asks for the same step, finds it running or ended, and follows from the byte it has.
"""

from collections.abc import Callable
from dataclasses import dataclass
from shlex import quote

from pipelines.errors import SystemFault
from runners.hosts.commands import Claim, guard
from runners.hosts.connection import (
    CommandCancelled,
    CommandTimedOut,
    Connection,
    StillRunning,
    capture,
    never,
    require,
)
from runners.hosts.layout import Layout
from runners.hosts.sessions import end_session

GRACE_SECONDS = 5

# Alive means: the same process since the same boot, not another one that got its number.
_FUNCTIONS = """\
born() { { read -r line < "/proc/$1/stat"; } 2>/dev/null || return 1; set -- ${line##*) }; echo "${20}"; }
boot() { cat /proc/sys/kernel/random/boot_id; }
alive() {
  [ -f "$step/process" ] || return 1
  read -r pid birth booted < "$step/process"
  [ "$(boot)" = "$booted" ] && [ "$(born "$pid")" = "$birth" ]
}
"""

# $0: the functions, $1: the step's directory, $2: the working directory, $3: the command.
_WRAPPER = """\
eval "$0"; step=$1
echo "$$ $(born $$) $(boot)" > "$step/process.new"; mv "$step/process.new" "$step/process"
( cd "$2" && exec sh -c "$3" ); status=$?
echo "$status" > "$step/exit.new"; mv "$step/exit.new" "$step/exit"
"""

_FOLLOW = """\
offset=$1 patience=80 quick=20
while :; do
  ended=no
  if [ -f "$step/exit" ]; then ended=yes
  elif [ -f "$step/process" ]; then alive || ended=yes
  else patience=$((patience - 1)); [ "$patience" -gt 0 ] || ended=yes
  fi
  size=$(wc -c < "$step/log" 2>/dev/null || echo 0)
  if [ "$size" -gt "$offset" ]; then
    tail -c "+$((offset + 1))" "$step/log" | head -c "$((size - offset))"
    offset=$size
  fi
  [ "$ended" = no ] || exit 0
  if [ "$quick" -gt 0 ]; then quick=$((quick - 1)) pause=0.05; else pause=0.2; fi
  sleep "$pause" 2>/dev/null || sleep 1
done
"""


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a deploy on one host. `name` is a plain word, `directory` absolute."""

    name: str
    command: str
    directory: str
    deadline_seconds: float
    silence_seconds: float | None = None
    base: int = 0
    """Kept on the host for a worker that takes over: how much raw output the log held when the step began."""


class StepLost(SystemFault):
    """The step began and left no exit status: the host restarted or something killed it. Outcome unknown."""


def run_step(
    connection: Connection,
    layout: Layout,
    claim: Claim,
    step: Step,
    *,
    offset: int = 0,
    on_output: Callable[[bytes], None],
    cancelled: Callable[[], bool] = never,
) -> int:
    """Perform a step once, or take it up again; returns its exit status.

    `offset` is the number of bytes of its output already known. Raises StepLost, and what Connection.run
    raises: CommandTimedOut and CommandCancelled only once the step itself is gone from the host. After
    ConnectionLost the step may still run, and another call takes it up.
    """
    follow = start_or_follow(layout, claim, step, offset)
    try:
        result = connection.run(
            follow,
            deadline_seconds=step.deadline_seconds,
            silence_seconds=step.silence_seconds,
            on_output=on_output,
            cancelled=cancelled,
        )
    except (CommandTimedOut, CommandCancelled):
        _end(connection, layout, claim, step)
        raise
    require(result, f"starting {step.name}", connection.address, "a later deploy may have this host")
    return _outcome(connection, layout, claim, step)


def _outcome(connection: Connection, layout: Layout, claim: Claim, step: Step) -> int:
    home = layout.step(claim.deploy, claim.token, step.name)
    _, text = capture(connection, f"cat {quote(home)}/exit", deadline_seconds=30)
    if not text.strip().isdecimal():
        raise StepLost(
            f"{connection.address}: {step.name} began but left no exit status; the host may have restarted."
            " Look on the host whether it took effect before deploying again."
        )
    return int(text)


def _end(connection: Connection, layout: Layout, claim: Claim, step: Step) -> None:
    """Kill a step that runs, whoever started it; StillRunning if it cannot be proven gone."""
    _, text = capture(connection, running_process(layout, claim, step), deadline_seconds=30)
    if not text.strip().isdecimal():
        return
    result, said = capture(connection, end_session(int(text), GRACE_SECONDS), deadline_seconds=60)
    if not result.succeeded:
        raise StillRunning(f"{connection.address}: {step.name} did not end: {said.strip()}")


def running_process(layout: Layout, claim: Claim, step: Step) -> str:
    """Print the session id of a step that runs, nothing otherwise."""
    home = quote(layout.step(claim.deploy, claim.token, step.name))
    return f'step={home}\n{_FUNCTIONS}\nif [ ! -f "$step/exit" ] && alive; then echo "$pid"; fi'


def read_base(layout: Layout, claim: Claim, step: Step) -> str:
    """Print the `base` that the step was started with; nothing if it never was."""
    home = layout.step(claim.deploy, claim.token, step.name)
    return f"cat {quote(home)}/base 2>/dev/null || true"


def start_or_follow(layout: Layout, claim: Claim, step: Step, offset: int) -> str:
    """Start the step unless it was ever started, then print its output from that byte until it ends."""
    home = layout.step(claim.deploy, claim.token, step.name)
    return (
        f"step={quote(home)}\n{_FUNCTIONS}\n"
        f"mkdir -p {quote(home.rpartition('/')[0])}\n"
        f'if [ ! -d "$step" ]; then\n{guard(layout, claim)}\nfi\n'
        'if mkdir "$step" 2>/dev/null; then\n'
        f'  echo {step.base:d} > "$step/base"; : > "$step/log"\n'
        f'  setsid sh -c {quote(_WRAPPER)} {quote(_FUNCTIONS)} "$step" {quote(step.directory)}'
        f' {quote(step.command)} > "$step/log" 2>&1 < /dev/null &\n'
        "fi\n"
        f"set -- {offset:d}\n{_FOLLOW}"
    )
