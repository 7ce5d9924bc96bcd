"""The one door to git: an argument list, in a process group of its own, with a deadline.

No hook, prompt, helper, submodule or foreign configuration has a say. What comes from outside is checked in
`refs` first and stands behind `--`.
"""

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from git.cmd import Git
from git.exc import GitCommandNotFound

from runners.checkout.errors import GitFault, TookTooLong

LOCAL_TIMEOUT_SECONDS = 300

# The only variables of git's own that pass from our environment to its processes.
_KEPT_VARIABLES = ("GIT_SSL_CAINFO", "GIT_SSL_CAPATH")


@dataclass(frozen=True, slots=True)
class Answer:
    """How a command ended. `error` is what it said, as it said it: not yet fit to be shown."""

    code: int
    out: bytes
    error: str


def environment(home: Path, config: Path | str = os.devnull) -> dict[str, str]:
    """What every command finds: no protocol to the outside, and no other configuration than `config`."""
    env = {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS": "",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": str(config),
        "GIT_CONFIG_COUNT": "0",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home),
    }
    if "SSL_CERT_FILE" in os.environ and "GIT_SSL_CAINFO" not in os.environ:
        env["GIT_SSL_CAINFO"] = os.environ["SSL_CERT_FILE"]
    return env


def run(
    args: Sequence[str],
    folder: Path,
    env: Mapping[str, str],
    *,
    stdin: bytes = b"",
    seconds: float = LOCAL_TIMEOUT_SECONDS,
    lock: int | None = None,
) -> Answer:
    """Run git to its end; `lock` is a descriptor that it inherits. Raises TookTooLong, and nothing is left running."""
    process = _start(args, folder, env, subprocess.PIPE, () if lock is None else (lock,))
    try:
        out, error = process.communicate(stdin, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise TookTooLong(f"git {args[0]} took longer than {seconds:g} seconds in {folder}.") from None
    finally:
        _end(process)
    return Answer(process.returncode, out, error.decode("utf-8", "replace"))


@contextlib.contextmanager
def streaming(args: Sequence[str], folder: Path, env: Mapping[str, str], stdin: bytes = b"") -> Iterator[IO[bytes]]:
    """The output of a command while it runs; the process is gone afterwards, also when not all was read."""
    with tempfile.TemporaryFile() as requests:
        requests.write(stdin)
        requests.seek(0)
        process = _start(args, folder, env, requests.fileno(), ())
        watchdog = threading.Timer(LOCAL_TIMEOUT_SECONDS, _end, [process])
        watchdog.start()
        try:
            assert process.stdout is not None
            yield process.stdout
        finally:
            watchdog.cancel()
            _end(process)


def _start(
    args: Sequence[str], folder: Path, env: Mapping[str, str], stdin: int, inherited: tuple[int, ...]
) -> "subprocess.Popen[bytes]":
    """Git in a session of its own; variables of git's that we do not set ourselves are taken away."""
    stray = [name for name in os.environ if name.startswith("GIT_") and name not in (*_KEPT_VARIABLES, *env)]
    without = ["env", *(part for name in stray for part in ("-u", name))] if stray else []
    try:
        started = Git(folder).execute(
            [*without, "git", *args],
            istream=stdin,
            as_process=True,
            env=env,
            start_new_session=True,
            pass_fds=inherited,
        )
    except GitCommandNotFound as error:
        raise GitFault("The command `git` is not installed on this machine, or not on PATH.") from error
    process = started.proc
    assert process is not None
    # GitPython's wrapper would end only the first process, and only when it is collected.
    started.proc = None
    return process


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill what is left of the whole process group and collect it."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
