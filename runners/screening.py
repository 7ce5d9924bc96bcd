"""Which of many byte strings may be in a text: told many times faster than by looking for each. Pure."""

import sys
from collections.abc import Iterable, Sequence

_BLOCK = 8  # bytes that a memory view hands out as one number
_LONG = 2 * _BLOCK - 1  # so long a needle covers a whole block, wherever it begins
_MANY = 16  # needles for which going through the blocks once is faster than looking for each


class Screen:
    """Passes over needles that have a byte which the text has not, then over those of which no block is in the text.

    Most logs are short of some letters, and a search for a byte that is not there takes no time.
    """

    def __init__(self, needles: Sequence[bytes]) -> None:
        self._needles = tuple(needles)
        self._all = (1 << len(self._needles)) - 1
        self._having = {byte: self._that_have(byte) for byte in set(b"".join(self._needles))}
        self._order = sorted(self._having, key=lambda byte: -self._having[byte].bit_count())
        self._long = self._mask(len(needle) >= _LONG for needle in self._needles)
        self._blocks = {block for needle in self._needles if len(needle) >= _LONG for block in _blocks_of(needle)}

    def present(self, text: bytes) -> tuple[bytes, ...]:
        """The needles that are in the text, in their order."""
        left = self._without_lacking(text)
        if (left & self._long).bit_count() > _MANY and self._has_no_block(text):
            left &= ~self._long
        return tuple(needle for place, needle in enumerate(self._needles) if left >> place & 1 and needle in text)

    def _without_lacking(self, text: bytes) -> int:
        """As bits. What was lacking is asked for first the next time: one part of a log is like the other."""
        left, lacking = self._all, []
        for byte in self._order:
            if not left:
                break
            if left & self._having[byte] and byte not in text:
                left &= ~self._having[byte]
                lacking.append(byte)
        if lacking:
            self._order = lacking + [byte for byte in self._order if byte not in lacking]
        return left

    def _has_no_block(self, text: bytes) -> bool:
        whole = memoryview(text)[: len(text) // _BLOCK * _BLOCK]
        return self._blocks.isdisjoint(whole.cast("Q"))

    def _that_have(self, byte: int) -> int:
        return self._mask(byte in needle for needle in self._needles)

    def _mask(self, bits: Iterable[bool]) -> int:
        return sum(1 << place for place, bit in enumerate(bits) if bit)


def _blocks_of(needle: bytes) -> list[int]:
    """The blocks of which a text has one, as it has the needle: at each of the places where it may begin."""
    return [int.from_bytes(needle[start : start + _BLOCK], sys.byteorder) for start in range(_BLOCK)]
