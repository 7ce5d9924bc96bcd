"""How a benchmark tells what it measured: a table, and with --json a last line for programs."""

import json
import os
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured against what, in the same unit; `ratio` is the one to the other."""

    ours: float
    yardstick: float

    @property
    def ratio(self) -> float:
        return self.ours / self.yardstick


@dataclass(frozen=True, slots=True)
class Demand:
    """Something that the figures have to hold."""

    sentence: str
    holds: bool


def table(title: str, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under their heads; numbers with a fraction get three digits of it."""
    cells = [[str(head) for head in heads], *([_shown(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(heads))]
    print(f"\n{title}")
    for line in cells:
        print("  " + "  ".join(_aligned(cell, width) for cell, width in zip(line, widths, strict=True)))


def conclude(figure: Figure, demands: Sequence[Demand]) -> None:
    """Print how the demands were met and how busy the machine is, then the line of JSON when asked for.

    Ends the process: with status 1 when a demand is not met.
    """
    print()
    for demand in demands:
        print(f"  {'holds' if demand.holds else 'FAILS'}  {demand.sentence}")
    print(f"  load of this machine: {', '.join(f'{load:.1f}' for load in os.getloadavg())} on {os.cpu_count()} cores")
    if "--json" in sys.argv[1:]:
        parts = {"ours": figure.ours, "yardstick": figure.yardstick, "ratio": figure.ratio}
        print(json.dumps({name: round(value, 4) for name, value in parts.items()}))
    sys.exit(0 if all(demand.holds for demand in demands) else 1)


def paired(ours: Sequence[float], yardstick: Sequence[float]) -> Figure:
    """The medians of what was measured by turns."""
    return Figure(statistics.median(ours), statistics.median(yardstick))


def _shown(cell: object) -> str:
    return f"{cell:.3f}" if isinstance(cell, float) else str(cell)


def _aligned(cell: str, width: int) -> str:
    """Words to the left, numbers to the right."""
    return cell.rjust(width) if cell[:1].isdigit() else cell.ljust(width)
