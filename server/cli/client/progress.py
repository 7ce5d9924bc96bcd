"""Something under way, part by part: drawn in place on a terminal, told change by change anywhere else."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from server.cli.client import terminal, times
from server.cli.client.connection import Document


@dataclass(frozen=True, slots=True)
class Part:
    """A stage or a host, as it stands; `note` says why."""

    name: str
    status: str
    seconds: float | None
    note: str = ""


class Progress:
    """To be entered; `update` as often as one looks. `if_stopped` is said to who stops looking by Ctrl-C."""

    def __init__(self, console: Console, if_stopped: str = "") -> None:
        self._console, self._if_stopped = console, if_stopped
        self._live = Live(console=console, refresh_per_second=4, transient=False) if console.is_terminal else None
        self._told: dict[str, tuple[str, str]] = {}
        self._headline = ""

    def __enter__(self) -> "Progress":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()
        if kind is KeyboardInterrupt and self._if_stopped:
            self._console.print(self._if_stopped)

    def update(self, headline: str, parts: Sequence[Part]) -> None:
        """How it stands now: a sentence of its own and each part."""
        if self._live is not None:
            self._live.update(_drawn(headline, parts))
        else:
            self._tell(headline, parts)

    def _tell(self, headline: str, parts: Sequence[Part]) -> None:
        if headline != self._headline:
            self._console.print(terminal.words(headline, "bold"))
            self._headline = headline
        for part in parts:
            state = (part.status, part.note)
            if self._told.get(part.name) != state and (part.status != "pending" or part.name in self._told):
                self._console.print(_line(part))
            self._told[part.name] = state


def follow(
    states: Iterable[Document], shown: Callable[[Document], tuple[str, list[Part]]], console: Console, if_stopped: str
) -> Document:
    """Draw each state of something until the last one, and give that."""
    state: Document = {}
    with Progress(console, if_stopped) as progress:
        for state in states:
            progress.update(*shown(state))
    return state


def _line(part: Part) -> Text:
    told = Text("  ") + terminal.words(part.name) + Text(" ") + terminal.status(part.status)
    if part.status in terminal.FINAL and part.seconds is not None:
        told.append(f" after {times.length(part.seconds)}")
    return told + Text(": ") + terminal.words(part.note) if part.note else told


def _drawn(headline: str, parts: Sequence[Part]) -> RenderableType:
    rows = [
        (
            Text("  ") + terminal.words(part.name),
            terminal.status(part.status),
            Text(times.length(part.seconds), style="dim", justify="right"),
            terminal.words(part.note, "dim") if part.note else Text(),
        )
        for part in parts
    ]
    return Group(terminal.words(headline, "bold"), terminal.table(("", "", "", ""), rows))
