"""Live output as the journal gives it back; that Docker's journal does so is asked of the engine by the contract."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from runners.containers.journal import RECORD_BYTES, JournalText


def decoded_as_go_does(record: bytes) -> bytes:
    out, at = [], 0
    while at < len(record):
        for size in (1, 2, 3, 4):
            try:
                out.append(record[at : at + size].decode())
            except UnicodeDecodeError:
                continue
            at += size
            break
        else:
            out.append("\ufffd")
            at += 1
    return "".join(out).encode()


def kept_by_the_journal(output: bytes) -> bytes:
    records = []
    for line in output.split(b"\n"):
        records += [line[at : at + RECORD_BYTES] for at in range(0, len(line), RECORD_BYTES)]
        records.append(b"\n")
    return b"".join(map(decoded_as_go_does, records[:-1]))


PARTS = st.sampled_from(
    [
        b"\n",
        b"a",
        "é".encode(),
        "€".encode(),
        "😀".encode(),
        b"\xff",
        b"\xe2\x82",
        b"\xed\xa0\x80",
        b"x" * 16381,
        b"y" * 16384,
    ]
)


@given(st.lists(PARTS, max_size=15), st.lists(st.integers(0, 200_000), max_size=8))
def test_output_is_counted_as_the_journal_counts_it(parts: list[bytes], cuts: list[int]) -> None:
    output = b"".join((*parts, b"\n"))
    bounds = sorted({0, len(output), *(cut % (len(output) + 1) for cut in cuts)})
    text = JournalText()

    assert b"".join(text.feed(output[start:end]) for start, end in pairwise(bounds)) == kept_by_the_journal(output)
