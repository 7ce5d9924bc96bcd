"""Pure: how a command is wrapped to run in a session of its own on a host, and how that session is ended."""

import secrets
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field

NOISE_LIMIT_BYTES = 64 * 1024

# The session's id is printed before the command starts, so nothing the command prints can forge it. sshd begins a
# session for each command by itself; another server's is begun here. The fields of /proc/<pid>/stat: see below.
_START = """\
command -v setsid >/dev/null || { echo 'setsid is missing on this host' >&2; exit 127; }
command=$1
if { read -r line < /proc/$$/stat; } 2>/dev/null; then set -- ${line##*) }; fi
if [ "${4-}" = $$ ]; then echo "$0 $$"; exec 2>&1; sh -c "$command"
else setsid sh -c 'echo "$0 $$"; exec 2>&1; exec sh -c "$1"' "$0" "$command"; fi
exit $?"""

# /proc/<pid>/stat after the name in brackets: state, parent, group, session. A zombie is already gone.
END = """\
sid=$1 grace=$2
members() {
  for entry in /proc/[0-9]*; do
    { read -r line < "$entry/stat"; } 2>/dev/null || continue
    set -- ${line##*) }
    if [ "$4" = "$sid" ] && [ "$1" != Z ] && [ "$1" != X ]; then echo "${entry#/proc/}"; fi
  done
}
send() { for pid in $(members); do kill "-$1" "$pid" 2>/dev/null; done; }
wait_gone() {
  left=$(($1 * 5))
  while [ -n "$(members)" ]; do
    [ "$left" -gt 0 ] || return 1
    left=$((left - 1))
    sleep 0.2 2>/dev/null || sleep 1
  done
}
[ -r /proc/self/stat ] || { echo 'no /proc on this host'; exit 1; }
send TERM
wait_gone "$grace" && exit 0
send KILL
wait_gone 5 && exit 0
echo "still there:" $(members)
exit 1"""


def new_token() -> str:
    return f"slipway-session-{secrets.token_hex(8)}"


def start_session(command: str, token: str) -> str:
    """The line for whatever login shell the host has: prints `<token> <session id>`, then runs."""
    return f"exec sh -c {shlex.quote(_START)} {token} {shlex.quote(command)}"


def end_session(session_id: int, grace_seconds: int) -> str:
    """TERM to every process of the session, KILL after the grace; status 0 only if none is left."""
    return f"exec sh -c {shlex.quote(END)} sh {session_id:d} {grace_seconds:d}"


@dataclass(slots=True)
class SessionOutput:
    """A session's raw stream: finds its id, drops what login files print before it, caps the rest."""

    token: str
    cap_bytes: int
    on_output: Callable[[bytes], None]
    session_id: int | None = None
    passed_bytes: int = 0
    capped: bool = False
    noise: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> None:
        if self.session_id is None:
            data = self._find_start(data)
        if data:
            self._pass(data)

    @property
    def too_noisy(self) -> bool:
        return self.session_id is None and len(self.noise) > NOISE_LIMIT_BYTES

    def _find_start(self, data: bytes) -> bytes:
        self.noise += data
        before, token, after = bytes(self.noise).partition(self.token.encode() + b" ")
        number, newline, rest = after.partition(b"\n")
        if not (token and newline and number.isdigit()):
            return b""
        self.session_id = int(number)
        self.noise[:] = before
        return rest

    def _pass(self, data: bytes) -> None:
        if self.capped:
            return
        room = self.cap_bytes - self.passed_bytes
        kept = data[:room]
        self.passed_bytes += len(kept)
        if len(kept) < len(data):
            self.capped = True
            kept += f"\n[slipway: output beyond {self.cap_bytes} bytes is dropped]\n".encode()
        if kept:
            self.on_output(kept)
