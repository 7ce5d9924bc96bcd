"""Pure: when the bytes of a log were stored, in few bytes."""

import struct
import zlib
from collections.abc import Iterable, Iterator

Stamp = tuple[int, int]  # a byte offset, and when what begins there was stored: milliseconds since 1970
_STAMP = struct.Struct("<QQ")


def pack(stamps: Iterable[Stamp]) -> bytes:
    return zlib.compress(b"".join(_STAMP.pack(*stamp) for stamp in stamps))


def unpack(packed: bytes) -> Iterator[Stamp]:
    """Nothing from nothing: then no times were kept."""
    return _STAMP.iter_unpack(zlib.decompress(packed)) if packed else iter(())
