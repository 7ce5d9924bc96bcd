"""A command that must never run twice on a host: it outlives our connection and can be taken up again.

It runs in a session of its own there, writing to a file; we follow that file. A worker that is killed loses
nothing: the next one asks for the same step, finds it running or ended, and follows from the byte it has.
All of it is one script, whose output is: what was done before the step, a zero byte, the step's output, and how it
ended between two more zero bytes. Only the last five bytes count as that, so that no step can feign its end.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from shlex import quote

from pipelines.errors import SystemFault
from runners.hosts.scripts.hostlock import Claim, guarded, renew
from runners.hosts.scripts.layout import Layout
from runners.hosts.scripts.leftovers import ALIVE, GRACE_SECONDS, STOP
from runners.hosts.ssh.connection import (
    DEFAULT_OUTPUT_CAP_BYTES,
    CommandCancelled,
    CommandTimedOut,
    Connection,
    StillRunning,
    capture,
    never,
    require,
)
from runners.hosts.ssh.sessions import end_session

END_BYTES = 5

# $0: the functions, $1: the step's directory, $2: the working directory, $3: the command, $4: its log's limit in blocks
# of 512 bytes. Who ends a step marks it as stopped and then looks for its process, which is named here before that mark
# is looked for: a step that is about to begin is found, or does not begin.
# What is printed goes through a pipe whose reader alone has that limit: beyond it the disk is spared and the command
# goes on. The exit status is written once the reader has taken all: it waits, or it is gone.
_WRAPPER = """\
eval "$0"; step=$1
echo "$$ $(born $$) $(boot)" > "$step/process.new"; mv "$step/process.new" "$step/process"
[ ! -e "$step/stopped" ] || exit
mkfifo "$step/pipe"
( trap '' TERM XFSZ; exec < "$step/pipe"
  ( ulimit -f "$4"; read -r reader rest < /proc/self/stat; echo "$reader" > "$step/reader"; exec cat
  ) > "$step/log" 2> /dev/null || echo "[slipway: what is printed beyond this is not kept]" >> "$step/log"
  exec cat > /dev/null ) &
( cd "$2" && exec sh -c "$3" ) > "$step/pipe" 2>&1; status=$?
has_taken_all() {
  { read -r reader < "$step/reader"; } 2>/dev/null || return 1
  { read -r line < "/proc/$reader/stat"; } 2>/dev/null || return 0
  set -- ${line##*) }; [ "$1" = S ] || [ "$1" = Z ]
}
left=200
until has_taken_all || [ "$left" = 0 ]; do
  left=$((left - 1)); [ "$left" -gt 150 ] || sleep 0.05 2>/dev/null || sleep 1
done
echo "$status" > "$step/exit.new"; mv "$step/exit.new" "$step/exit"
"""

# $1: how many bytes of its log are known, the base included; $2: how many of the step's may follow at most.
_FOLLOW = """\
base=$1; { read -r base < "$step/base"; } 2>/dev/null
offset=$(($1 - base)) limit=$2 patience=100 turn=0
[ "$offset" -ge 0 ] || offset=0
while :; do
  ended=no
  if [ -f "$step/exit" ]; then ended=yes
  elif [ -f "$step/process" ]; then alive || ended=yes
  else patience=$((patience - 1)); [ "$patience" -gt 0 ] || ended=yes
  fi
  size=$(wc -c < "$step/log" 2>/dev/null || echo 0)
  [ "$size" -le "$limit" ] || size=$limit
  if [ "$size" -gt "$offset" ]; then
    tail -c "+$((offset + 1))" "$step/log" | head -c "$((size - offset))"
    offset=$size
  fi
  [ "$ended" = no ] || break
  turn=$((turn + 1))
  if [ "$turn" -le 10 ]; then pause=0.01; elif [ "$turn" -le 30 ]; then pause=0.05; else pause=0.2; fi
  [ $((turn % 150)) -gt 0 ] || renew
  sleep "$pause" 2>/dev/null || sleep 1
done
if [ -f "$step/exit" ]; then read -r status < "$step/exit"; printf '\\000%03d\\000' "$status"
else printf '\\000---\\000'; fi
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
    before: tuple[str, ...] = ()
    """Parts of a script that make ready for it; done each time the step is taken up, so they may be repeated."""


class StepLost(SystemFault):
    """The step began and left no exit status: the host restarted or something killed it. Outcome unknown."""


def run_step(  # noqa: PLR0913  what is known of the step, and who hears of it
    connection: Connection,
    layout: Layout,
    claim: Claim,
    step: Step,
    *,
    known: int = 0,
    on_output: Callable[[bytes], None],
    on_begun: Callable[[str], None] = lambda said: None,
    cancelled: Callable[[], bool] = never,
    limit_bytes: int = DEFAULT_OUTPUT_CAP_BYTES,
) -> int:
    """Perform a step once, or take it up again; returns its exit status.

    `known` is how much raw output the log holds now: of the step's own, that less its base is not sent again. At most
    `limit_bytes` of a step's output are sent, and hardly more are kept on the host. `on_begun` gets what was printed
    before it. Raises StepLost, CommandFailed if it could not be begun, and what Connection.run raises: CommandTimedOut
    and CommandCancelled only once the step itself is gone from the host. After ConnectionLost it may still run, and
    another call takes it up.
    """
    output = _StepOutput(on_begun, on_output)
    try:
        result = connection.run(
            start_and_follow(layout, claim, step, known, limit_bytes),
            deadline_seconds=step.deadline_seconds,
            silence_seconds=step.silence_seconds,
            on_output=output.feed,
            cancelled=cancelled,
            output_cap_bytes=2 * DEFAULT_OUTPUT_CAP_BYTES,
            in_shell=True,
        )
    except (CommandTimedOut, CommandCancelled):
        _end(connection, layout, claim, step)
        raise
    require(result, f"starting {step.name}", connection.address, output.said)
    return _outcome(connection, step, output.end)


@dataclass(slots=True)
class _StepOutput:
    """Takes the one stream apart. What might be the end of it is held back until it is not."""

    on_begun: Callable[[str], None]
    on_output: Callable[[bytes], None]
    is_begun: bool = False
    held: bytes = b""
    before: bytearray = field(default_factory=bytearray)

    @property
    def said(self) -> str:
        return self.before.decode(errors="replace")

    @property
    def end(self) -> bytes:
        return self.held.strip(b"\0") if self.is_begun and len(self.held) == END_BYTES else b""

    def feed(self, data: bytes) -> None:
        if not self.is_begun:
            said, zero, data = data.partition(b"\0")
            self.before += said
            if not zero:
                return
            self.is_begun = True
            self.on_begun(self.said)
        self._pass(self.held + data)

    def _pass(self, data: bytes) -> None:
        cut = data.find(b"\0", max(0, len(data) - END_BYTES))
        ready, self.held = (data, b"") if cut < 0 else (data[:cut], data[cut:])
        if ready:
            self.on_output(ready)


def _outcome(connection: Connection, step: Step, end: bytes) -> int:
    if not end.isdigit():
        raise StepLost(
            f"{connection.address}: {step.name} began but left no exit status; the host may have restarted."
            " Look on the host whether it took effect before deploying again."
        )
    return int(end)


def _end(connection: Connection, layout: Layout, claim: Claim, step: Step) -> None:
    """Kill a step that runs, whoever started it; StillRunning if it cannot be proven gone."""
    _, text = capture(connection, stop_and_name(layout, claim, step), deadline_seconds=30)
    if not text.strip().isdecimal():
        return
    result, said = capture(connection, end_session(int(text), GRACE_SECONDS), deadline_seconds=60)
    if not result.succeeded:
        raise StillRunning(f"{connection.address}: {step.name} did not end: {said.strip()}")


def stop_and_name(layout: Layout, claim: Claim, step: Step) -> str:
    """Keep a step from beginning, and print its session id if it runs, nothing otherwise."""
    home = quote(layout.step(claim.deploy, claim.token, step.name))
    patience = 'left=20; until [ ! -d "$step" ] || [ -f "$step/process" ] || [ "$left" = 0 ]; do left=$((left - 1))'
    return (
        f"step={home}\n{ALIVE}\n{STOP}\n{patience}; sleep 0.05 2>/dev/null || sleep 1; done\n"
        'if [ ! -f "$step/exit" ] && alive; then echo "$pid"; fi'
    )


def start_and_follow(layout: Layout, claim: Claim, step: Step, known: int, limit_bytes: int) -> str:
    """Make ready, start the step unless it was ever started, then print its output until it ends, and how."""
    home = layout.step(claim.deploy, claim.token, step.name)
    above = quote(home.rpartition("/")[0])
    return (
        f"(\n{guarded(layout, claim, *step.before)}\n[ -d {above} ] || mkdir -p {above}\n)\n"
        'made=$?; [ "$made" = 0 ] || exit "$made"\n'
        f"step={quote(home)}\n{ALIVE}\nrenew() {{ {renew(layout)}; }}\n"
        'if mkdir "$step" 2>/dev/null; then\n'
        f'  echo {step.base:d} > "$step/base"; : > "$step/log"\n'
        f'  setsid sh -c {quote(_WRAPPER)} {quote(ALIVE)} "$step" {quote(step.directory)}'
        f" {quote(step.command)} {-(-limit_bytes // 512):d} > /dev/null 2>&1 < /dev/null &\n"
        "fi\n"
        '[ -d "$step" ] || { echo "$step could not be made"; exit 1; }\n'
        f"printf '\\000'\nset -- {known:d} {limit_bytes:d}\n{_FOLLOW}"
    )
