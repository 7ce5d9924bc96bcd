"""Ask a host, on the host itself, whether the release serves, until it says yes or time is up."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from shlex import quote

from pipelines.errors import UserError
from runners.hosts.ssh.connection import (
    Address,
    CommandCancelled,
    CommandResult,
    CommandTimedOut,
    Connection,
    discard,
    never,
    require,
)

LAST_WORDS = 300
ANSWER_BYTES_MAX = 1024 * 1024
# Beyond the answer's own time, for getting there and back.
LATE_SECONDS = 5
THEN_SECONDS = 600

# Asked with whatever the host has. Prints the answer; status 0 only for 200 to 299. No proxy, no redirects:
# a sign-in page that answers 200 elsewhere is not health.
_ASK = """\
url=$1 seconds=$2
if command -v curl >/dev/null; then
  body=$(mktemp) || exit 1
  trap 'rm -f "$body"' EXIT
  status=$(curl -sS --noproxy '*' --max-time "$seconds" -o "$body" -w '%{http_code}' -- "$url" 2>&1)
  head -c 300 "$body" | { printf '%s ' "$status"; cat; }
  case $status in 2??) exit 0;; *) exit 1;; esac
fi
if command -v python3 >/dev/null; then
  exec python3 -c '
import sys, urllib.error, urllib.request
class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args): return None
opener = urllib.request.build_opener(Stay, urllib.request.ProxyHandler({}))
try:
    answer = opener.open(sys.argv[1], timeout=float(sys.argv[2]))
except urllib.error.HTTPError as error:
    answer = error
except Exception as error:
    sys.exit(str(error))
print(answer.status, answer.read(300).decode(errors="replace"))
sys.exit(not 200 <= answer.status < 300)
' "$url" "$seconds"
fi
if command -v wget >/dev/null; then
  if wget --help 2>&1 | grep -q -- --max-redirect; then
    wget -q -O - --no-proxy --max-redirect=0 --tries=1 --timeout="$seconds" --content-on-error -S "$url" 2>&1
  else
    wget -q -O - -Y off "$url" 2>&1
  fi
  exit
fi
echo 'this host has no curl, python3 or wget: give health a command instead of a url'
exit 127
"""


class Unhealthy(UserError):
    """The release was switched to and does not serve."""


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """Exactly one of `url` and `command` (run in `directory`); `answers` good ones in a row are wanted.

    `title` is what people are told of the question, if that is not the url or command itself.
    """

    url: str | None = None
    command: str | None = None
    title: str = ""
    directory: str = "/"
    timeout_seconds: float = 30
    interval_seconds: float = 1
    answers: int = 1
    answer_seconds: float = 5

    @property
    def called(self) -> str:
        return self.title or self.url or self.command or ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the host said to one question, and what `then` printed, if that was run."""

    good: bool
    text: str
    then: str = ""


def ask_command(check: HealthCheck) -> str:
    """Pure: the sh command for one question."""
    if check.command is not None:
        return f"cd {quote(check.directory)} && {{ {check.command}\n}}"
    return f"exec sh -c {quote(_ASK)} sh {quote(check.url or '')} {max(1, round(check.answer_seconds)):d}"


def wait_until_healthy(
    connection: Connection,
    check: HealthCheck,
    *,
    then: str = "",
    on_output: Callable[[bytes], None] = discard,
    cancelled: Callable[[], bool] = never,
) -> Answer:
    """Return the answer that completed the row of good ones; raises Unhealthy with the last answer, or
    CommandCancelled, ConnectionLost and StillRunning. Ends at most one answer's time after the deadline.

    `then` is a script for the host to run in the same breath as the completing answer; CommandFailed if it fails.
    """
    ends = time.monotonic() + check.timeout_seconds
    good = asked = 0
    while True:
        completes = good + 1 >= check.answers
        answer = ask(connection, check, then=then if completes else "", cancelled=cancelled)
        asked += 1
        good = good + 1 if answer.good else 0
        on_output(_line(answer, good, check))
        if good >= check.answers:
            return answer
        if time.monotonic() + check.interval_seconds > ends:
            raise Unhealthy(_verdict(connection.address, check, asked, answer))
        _wait(check.interval_seconds, cancelled, connection.address)


def ask(connection: Connection, check: HealthCheck, *, then: str = "", cancelled: Callable[[], bool] = never) -> Answer:
    """One question. No answer in its time is a bad one; raises what Connection.run raises beside that."""
    hearing = _Hearing(check.answer_seconds + LATE_SECONDS)
    script = f"(\n{ask_command(check)}\n)\nstatus=$?; printf '\\000%s\\000' \"$status\"\n"
    try:
        result = connection.run(
            script + (f'[ "$status" = 0 ] || exit 0\n{then}' if then else "exit 0"),
            deadline_seconds=hearing.seconds + THEN_SECONDS,
            on_output=hearing.hear,
            cancelled=lambda: cancelled() or hearing.is_late,
            output_cap_bytes=ANSWER_BYTES_MAX,
        )
    except CommandTimedOut as error:
        return Answer(False, str(error))
    except CommandCancelled:
        if cancelled():
            raise
        return Answer(False, f"{connection.address}: the command took longer than {hearing.seconds:g} s.")
    return hearing.answer(result, connection.address)


class _Hearing:
    """An answer: what the question printed, its status between two zero bytes, and what came after."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._ends = time.monotonic() + seconds
        self._heard = bytearray()

    @property
    def is_late(self) -> bool:
        return time.monotonic() > self._ends and self._heard.count(b"\0") < 2

    def hear(self, data: bytes) -> None:
        self._heard += data

    def answer(self, result: CommandResult, address: Address) -> Answer:
        said, status, then = ("", "", *self._heard.decode(errors="replace").rsplit("\0", 2))[-3:]
        good = status == "0"
        if good:
            require(result, "what follows a good answer", address, then)
        words = " ".join((said if status else then).split())[-LAST_WORDS:]
        return Answer(good, words or f"status {status or result.exit_code}", then if good else "")


def _line(answer: Answer, good: int, check: HealthCheck) -> bytes:
    note = f" ({good} of {check.answers} good answers)" if good else ", asking again"
    return f"{answer.text}{note}\n".encode()


def _verdict(address: Address, check: HealthCheck, asked: int, answer: Answer) -> str:
    return (
        f"{address}: not healthy within {check.timeout_seconds:g} s: {check.called} was asked {asked} times;"
        f" the last answer: {answer.text}"
    )


def _wait(seconds: float, cancelled: Callable[[], bool], address: Address) -> None:
    ends = time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        if cancelled():
            raise CommandCancelled(f"{address}: waiting for health was cancelled.")
        time.sleep(min(left, 0.2))
