"""What a browser has to load."""

import gzip
from pathlib import Path

STATIC = Path(__file__).resolve().parents[2] / "static"


def scripts_kb() -> float:
    """All scripts of the server gzipped, each by itself, as they are sent; in kB of 1000 bytes."""
    return sum(len(gzip.compress(one.read_bytes(), 9)) for one in STATIC.rglob("*.js")) / 1000
