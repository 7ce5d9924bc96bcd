"""Ask a host, on the host itself, whether the release serves, until it says yes or time is up."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from shlex import quote

from pipelines.errors import UserError
from runners.hosts.connection import (
    Address,
    CommandCancelled,
    CommandTimedOut,
    Connection,
    capture,
    discard,
    never,
)

LAST_WORDS = 300

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
    """Exactly one of `url` and `command` (run in `directory`); `answers` good ones in a row are wanted."""

    url: str | None = None
    command: str | None = None
    directory: str = "/"
    timeout_seconds: float = 30
    interval_seconds: float = 1
    answers: int = 1
    answer_seconds: float = 5


@dataclass(frozen=True, slots=True)
class Answer:
    """What the host said to one question."""

    good: bool
    text: str


def ask_command(check: HealthCheck) -> str:
    """Pure: the sh command for one question."""
    if check.command is not None:
        return f"cd {quote(check.directory)} && {{ {check.command}\n}}"
    return f"exec sh -c {quote(_ASK)} sh {quote(check.url or '')} {max(1, round(check.answer_seconds)):d}"


def wait_until_healthy(
    connection: Connection,
    check: HealthCheck,
    *,
    on_output: Callable[[bytes], None] = discard,
    cancelled: Callable[[], bool] = never,
) -> Answer:
    """Return the answer that completed the row of good ones; raises Unhealthy with the last answer, or
    CommandCancelled, ConnectionLost and StillRunning. Ends at most one answer's time after the deadline.
    """
    ends = time.monotonic() + check.timeout_seconds
    good = asked = 0
    while True:
        answer = _ask(connection, check, cancelled)
        asked += 1
        good = good + 1 if answer.good else 0
        on_output(_line(answer, good, check))
        if good >= check.answers:
            return answer
        if time.monotonic() + check.interval_seconds > ends:
            raise Unhealthy(_verdict(connection.address, check, asked, answer))
        _wait(check.interval_seconds, cancelled, connection.address)


def _ask(connection: Connection, check: HealthCheck, cancelled: Callable[[], bool]) -> Answer:
    try:
        result, text = capture(
            connection,
            ask_command(check),
            deadline_seconds=check.answer_seconds + 5,
            cancelled=cancelled,
            cap_bytes=64 * 1024,
        )
    except CommandTimedOut as error:
        return Answer(False, str(error))
    said = " ".join(text.split())[-LAST_WORDS:]
    return Answer(result.succeeded, said or f"status {result.exit_code}")


def _line(answer: Answer, good: int, check: HealthCheck) -> bytes:
    note = f" ({good} of {check.answers} good answers)" if good else ", asking again"
    return f"{answer.text}{note}\n".encode()


def _verdict(address: Address, check: HealthCheck, asked: int, answer: Answer) -> str:
    what = check.url or check.command
    return (
        f"{address}: not healthy within {check.timeout_seconds:g} s: {what} was asked {asked} times;"
        f" the last answer: {answer.text}"
    )


def _wait(seconds: float, cancelled: Callable[[], bool], address: Address) -> None:
    ends = time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        if cancelled():
            raise CommandCancelled(f"{address}: waiting for health was cancelled.")
        time.sleep(min(left, 0.2))
