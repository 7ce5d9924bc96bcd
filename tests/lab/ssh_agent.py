"""A real ssh-agent, as one runs beside a deploy worker."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SshAgent:
    socket: Path
    process: "subprocess.Popen[bytes]"

    def add(self, private_key: str) -> None:
        self._ask("ssh-add", "-q", "-", stdin=private_key)

    def forget_all(self) -> None:
        self._ask("ssh-add", "-q", "-D")

    def freeze(self) -> None:
        """Stop answering, like an agent that hangs."""
        self.process.send_signal(signal.SIGSTOP)

    def _ask(self, *args: str, stdin: str = "") -> None:
        environment = {**os.environ, "SSH_AUTH_SOCK": str(self.socket)}
        subprocess.run(args, input=stdin, text=True, env=environment, check=True, capture_output=True)


@contextlib.contextmanager
def ssh_agent(directory: Path) -> Iterator[SshAgent]:
    """An agent without keys; who is to find it needs its socket in SSH_AUTH_SOCK."""
    socket = directory / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()  # it prints where it listens once it does
        yield SshAgent(socket, process)
    finally:
        process.kill()
        process.communicate()
