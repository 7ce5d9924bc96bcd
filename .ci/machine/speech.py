"""How the preparation speaks: one line for each thing it does, one sentence where it stops."""

import sys


class Halt(Exception):
    """The machine cannot be made ready from here; the text says what the person has to do."""


def say(text: str) -> None:
    """Tell what is being done, on the error stream: the output belongs to the command."""
    print(f"slipway: {text}", file=sys.stderr, flush=True)
