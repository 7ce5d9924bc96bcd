"""Taking frame headers out of an attached stream."""

import struct
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from runners.containers.frames import FrameSplitter


@given(st.lists(st.binary(max_size=40)), st.lists(st.integers(0, 2000)))
def test_payloads_come_out_whole_wherever_the_stream_is_cut(payloads: list[bytes], cuts: list[int]) -> None:
    framed = b"".join(struct.pack(">BxxxI", 1 + i % 2, len(payload)) + payload for i, payload in enumerate(payloads))
    bounds = sorted({0, len(framed), *(cut % (len(framed) + 1) for cut in cuts)})
    frames = FrameSplitter()

    assert b"".join(frames.feed(framed[start:end]) for start, end in pairwise(bounds)) == b"".join(payloads)
