"""What people see: words, tables and the styles of the nine statuses. Text from the server passes `plain` first."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from server.cli.controls import plain

STYLES = {
    "succeeded": "green",
    "failed": "bold red",
    "errored": "bold magenta",
    "cancelled": "yellow",
    "skipped": "dim",
    "blocked": "yellow",
    "running": "cyan",
    "queued": "dim",
    "pending": "dim",
}
SIGNS = {
    "succeeded": "✓",
    "failed": "✗",
    "errored": "!",
    "cancelled": "■",
    "skipped": "–",
    "blocked": "‖",
    "running": "▸",
    "queued": "·",
    "pending": "·",
}
FINAL = frozenset({"succeeded", "failed", "errored", "cancelled", "skipped"})


def console(*, to_stderr: bool = False) -> Console:
    """For sentences and tables; with `--json` they go to standard error, so that standard output stays machine's."""
    return Console(stderr=to_stderr, highlight=False, soft_wrap=True, emoji=False, markup=False)


def put(document: Any) -> None:
    """The machine form, whole, on standard output."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=True) + "\n")
    sys.stdout.flush()


def put_line(document: Any) -> None:
    """One of a sequence of machine forms, one a line."""
    sys.stdout.write(json.dumps(document, ensure_ascii=True) + "\n")
    sys.stdout.flush()


def status(word: str) -> Text:
    """A status as sign and word, never by colour alone."""
    return Text(f"{SIGNS.get(word, '?')} {plain(word)}", style=STYLES.get(word, ""))


def words(text: Any, style: str = "") -> Text:
    """Something of the server's on one line; a dash for nothing."""
    return Text(" ".join(plain(str(text)).split()) if text not in (None, "") else "–", style=style)


def table(heads: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> Table:
    """Columns with two spaces between; the last takes what room is left and is cut there."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", show_edge=False)
    for place, head in enumerate(heads):
        is_last = place == len(heads) - 1
        made.add_column(head, no_wrap=True, overflow="ellipsis" if is_last else "fold")
    for row in rows:
        made.add_row(*row)
    return made


def show_list(
    listed: Sequence[Any], heads: Sequence[str], row: Callable[[Any], Sequence[Text]], otherwise: str, *, as_json: bool
) -> None:
    """A table of what was listed, or its machine form; `otherwise` is said where there is nothing."""
    if as_json:
        put(listed)
    elif listed:
        console().print(table(heads, map(row, listed)))
    else:
        console().print(otherwise)


def short_ref(ref: str | None) -> str:
    """A branch or tag by its own name."""
    return (ref or "").removeprefix("refs/heads/").removeprefix("refs/tags/")


def short_sha(sha: str | None) -> str:
    return (sha or "")[:8]
