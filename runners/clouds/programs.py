"""A program that lists hosts: run without a shell and with nothing of ours, to its end or to its limits."""

import contextlib
import logging
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from runners.clouds.inventory import InventoryFailed, InventoryRefused

logger = logging.getLogger(__name__)

_PATH = "/usr/local/bin:/usr/bin:/bin"
_COMPLAINT_BYTES = 2000


def output_of(args: Sequence[str], where: str, *, seconds: float, most_bytes: int) -> bytes:
    """What it prints. Nothing of its process group is left.

    Its standard error may hold what no page is to show: when it ends badly, the beginning is in this process's log.

    Raises InventoryFailed when it ends badly or not in time, InventoryRefused when it prints too much.
    """
    try:
        process = _start(args)
    except OSError as error:
        raise InventoryRefused(f"{where} cannot be run: {error.strerror}. Is its first line `#!/…` right?") from error
    try:
        printed, complaint = _read(process, where, time.monotonic() + seconds, most_bytes)
        status = process.wait(max(0.1, seconds))
    except (TimeoutError, subprocess.TimeoutExpired):
        raise InventoryFailed(f"{where} did not end within {seconds:.0f} s.") from None
    finally:
        _end(process)
    if status != 0:
        said = complaint.decode(errors="replace").strip() or "nothing"
        logger.error("%s ended with status %s, and said on its standard error: %s", where, status, said)
        raise InventoryFailed(f"{where} ended with status {status}; what it said is in the log of the workers.")
    return printed


def _start(args: Sequence[str]) -> "subprocess.Popen[bytes]":
    directory = Path(args[0]).parent
    return subprocess.Popen(
        args,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=directory,
        env={"PATH": _PATH, "LANG": "C.UTF-8", "HOME": str(directory)},
        start_new_session=True,
    )


def _read(process: "subprocess.Popen[bytes]", where: str, ends: float, most_bytes: int) -> tuple[bytes, bytes]:
    """Both streams to their ends; of the complaint only its beginning is kept."""
    assert process.stdout is not None
    assert process.stderr is not None
    printed, complaint = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, printed)
        selector.register(process.stderr, selectors.EVENT_READ, complaint)
        while selector.get_map():
            ready = selector.select(max(0.0, ends - time.monotonic()))
            if not ready:
                raise TimeoutError
            for key, _ in ready:
                data = os.read(key.fd, 65536)
                key.data.extend(data)
                if not data:
                    selector.unregister(key.fileobj)
            del complaint[_COMPLAINT_BYTES:]
            if len(printed) > most_bytes:
                raise InventoryRefused(f"{where} answers with more than {most_bytes // 1024 // 1024} MiB.")
    return bytes(printed), bytes(complaint)


def _end(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
