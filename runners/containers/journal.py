"""Output as Docker's json-file journal keeps it: text, in records of 16 KiB. Pure.

The journal writes every byte that is not UTF-8 as U+FFFD, and cuts a line into records of 16 KiB wherever that falls,
so a character on the cut is damaged too. What comes by attach is neither. To count both by the same bytes, live output
is passed through the same mill.
"""

import codecs
from collections.abc import Iterator

RECORD_BYTES = 16 * 1024


def _replace_each_byte(error: UnicodeError) -> tuple[str, int]:
    """As Go decodes: one U+FFFD for every byte, where Python would write one for several."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\ufffd" * (error.end - error.start), error.end


codecs.register_error("slipway.journal", _replace_each_byte)


class JournalText:
    """Turns attached output, wherever it is cut, into the bytes that the journal will give back.

    An unfinished character at the very end never comes out: whether the output ended or broke there, the journal knows.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("slipway.journal")
        self._column = 0  # bytes since the line or the record began

    def feed(self, data: bytes) -> bytes:
        """All but the last bytes of an unfinished character."""
        if data.isascii() and not self._decoder.getstate()[0]:
            self._advance(data)
            return data
        return "".join(self._decoder.decode(part, final) for part, final in self._records(data)).encode()

    def _advance(self, data: bytes) -> None:
        line = data.rfind(b"\n") + 1
        self._column = (len(data) - line if line else self._column + len(data)) % RECORD_BYTES

    def _records(self, data: bytes) -> Iterator[tuple[bytes, bool]]:
        """Parts of `data`, and whether the journal cuts after each in the middle of a line."""
        start = 0
        while start < len(data):
            cut = start + RECORD_BYTES - self._column
            line = data.rfind(b"\n", start, cut) + 1
            end = line or min(cut, len(data))
            is_cut = not line and end == cut
            self._column = 0 if line or is_cut else self._column + end - start
            yield data[start:end], is_cut
            start = end
