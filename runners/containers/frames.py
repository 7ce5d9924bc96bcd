"""Docker's framing of attached output: eight bytes of header before each piece. Pure, in bulk, not by line."""

import struct

_HEADER = struct.Struct(">xxxxI")
_HEADER_BYTES = 8


class FrameSplitter:
    """Takes the headers out, wherever the stream is cut. stdout and stderr come out as the one stream they are."""

    __slots__ = ("_header", "_payload_left")

    def __init__(self) -> None:
        self._header = b""
        self._payload_left = 0

    def feed(self, data: bytes) -> bytes:
        """The payload in `data`."""
        start = min(self._payload_left, len(data))
        self._payload_left -= start
        pieces = [data[:start]]
        if self._payload_left == 0:
            self._split(self._header + data[start:], pieces)
        return b"".join(pieces)

    def _split(self, data: bytes, pieces: list[bytes]) -> None:
        """`data` begins with a header."""
        start, end = 0, len(data)
        while end - start >= _HEADER_BYTES:
            (size,) = _HEADER.unpack_from(data, start)
            start += _HEADER_BYTES
            pieces.append(data[start : start + size])
            start += size
        self._payload_left = max(start - end, 0)
        self._header = data[start:]
