"""A run on the terminal: each line of each stage as it comes, whole lines only, the stage's name before it."""

import threading
from collections.abc import Mapping
from typing import TextIO

from rich.console import Console
from rich.text import Text

from server.cli.controls import coloured, last_state

_COLOURS = ("cyan", "magenta", "blue", "yellow", "green", "bright_cyan", "bright_magenta", "bright_blue")
_STATUS_STYLE: Mapping[str, str] = {
    "succeeded": "bold green",
    "failed": "bold red",
    "errored": "bold magenta",
    "cancelled": "yellow",
    "skipped": "dim",
    "blocked": "yellow",
}


class Printer:
    """May be fed from several threads; a line never stands within another."""

    def __init__(self, names: list[str], file: TextIO | None = None, *, colour: bool | None = None) -> None:
        self._console = Console(file=file, highlight=False, soft_wrap=True, force_terminal=colour)
        self._width = max(map(len, names), default=0)
        self._colour = {name: _COLOURS[place % len(_COLOURS)] for place, name in enumerate(names)}
        self._begun: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def feed(self, name: str, data: bytes) -> None:
        """The next output of a stage; what is no whole line yet waits for its end."""
        with self._lock:
            *lines, rest = (self._begun.pop(name, b"") + data).split(b"\n")
            self._begun[name] = rest
            for line in lines:
                self._line(name, line)

    def finish(self, name: str) -> None:
        """No more will come of a stage."""
        with self._lock:
            if rest := self._begun.pop(name, b""):
                self._line(name, rest)

    def tell(self, name: str, status: str, reason: str = "") -> None:
        """How a stage stands now."""
        self.finish(name)
        told = Text(name, style=f"bold {self._colour.get(name, '')}".strip())
        told.append(f" {status}", style=_STATUS_STYLE.get(status, "bold"))
        if reason:
            told.append(f": {reason}")
        with self._lock:
            self._console.print(told)

    def say(self, sentence: str, style: str = "") -> None:
        with self._lock:
            self._console.print(Text(sentence, style=style))

    def _line(self, name: str, line: bytes) -> None:
        last = coloured(last_state(line.decode(errors="replace")))
        prefix = Text(f"{name:<{self._width}} │ ", style=self._colour.get(name, ""))
        self._console.print(prefix + Text.from_ansi(last))
