"""When a service may be used. Pure.

A port is looked for in the kernel's own table of sockets, read by a shell alone in the service's network: it needs no
tool in the service's image, and no way from the runner to the container, so it works wherever the runner itself is.
"""

from pipelines.spec.model import ReadySpec
from runners.containers.beside import Condition
from runners.containers.executor import State

_LISTENING = "0A"

# Reads with nothing but the shell. What listens on a loopback only (127.x.y.z, ::1) cannot be reached from outside.
_LOOK = """\
for table in /proc/net/tcp /proc/net/tcp6; do
    [ -r "$table" ] || continue
    while read -r number here there state rest; do
        case $state:$here in
            {state}:??????7F:{port}|{state}:00000000000000000000000001000000:{port}) ;;
            {state}:0000000000000000FFFF0000??????7F:{port}) ;;
            {state}:*:{port}) exit 0 ;;
        esac
    done <"$table"
done
"""


def look_script(port: int, times: int = 20) -> str:
    """A script for /bin/sh that ends with 0 as soon as something listens on the TCP port, and with 1 after so many
    looks at it, some ten a second."""
    look = _LOOK.format(port=f"{port:04X}", state=_LISTENING)
    return f"i=0\nwhile [ $i -lt {times} ]; do\n{look}i=$((i+1))\nsleep 0.1 2>/dev/null || sleep 1\ndone\nexit 1\n"


def asked_port(ready: ReadySpec, condition: Condition) -> int | None:
    """The port that must be open, if that is what decides: the given one, else the lowest that the image names."""
    if ready.command or ready.port is not None:
        return ready.port if not ready.command else None
    return min(condition.ports, default=None) if not condition.health else None


def waited_for(ready: ReadySpec, condition: Condition) -> str:
    """What was waited for, in words."""
    if ready.command:
        return f"its command {ready.command[:100]!r} did not end with 0"
    if (port := asked_port(ready, condition)) is not None:
        return f"nothing in it listened on port {port} (what listens only on 127.0.0.1 cannot be reached)"
    return f"its image's health check said {condition.health}" if condition.health else "it did not start"


def has_started(condition: Condition) -> bool:
    return condition.state == State.RUNNING
