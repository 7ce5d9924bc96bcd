"""How long the processor has worked for another process."""

import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

_SCHEDULED = 2  # which of a process's clocks: time in which it was run, by the kernel and by itself


@dataclass(frozen=True, slots=True)
class Processor:
    """Of a process, with all its threads, also those that have ended."""

    pid: int

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.clock_gettime((~self.pid << 3) | _SCHEDULED)  # what clock_getcpuclockid(3) makes of it


def processor_of(url: str) -> Processor:
    """That of the server at this address, which was started with its port as an argument of its own."""
    port = str(urlsplit(url).port).encode()
    found = [entry for entry in Path("/proc").iterdir() if entry.name.isdigit() and port in _arguments(entry)]
    return Processor(int(found[0].name))


def _arguments(process: Path) -> list[bytes]:
    try:
        return (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return []
