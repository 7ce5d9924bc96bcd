"""Documents that want more than to be read."""

import time
import tracemalloc

import pytest

from pipelines.reports.documents import BadDocument, read
from tests.lab.pace import slowness


class Heard:
    def __init__(self) -> None:
        self.tags: list[str] = []
        self.words = ""

    def start(self, tag: str, attributes: object) -> None:
        self.tags.append(tag)

    def end(self, tag: str) -> None:
        self.tags.append(f"/{tag}")

    def text(self, data: str) -> None:
        self.words += data


def test_elements_and_text_are_told_in_their_order() -> None:
    heard = Heard()
    read(b"<?xml version='1.0'?><a xmlns:x='y'><x:b>1 &lt; 2</x:b><!-- c --><?pi d?></a>", heard)

    assert heard.tags == ["a", "b", "/b", "/a"]
    assert heard.words == "1 < 2"


LAUGHS = b"<!DOCTYPE a [<!ENTITY l0 'ha'>%s]><a>&l9;</a>" % b"".join(
    b"<!ENTITY l%d '%s'>" % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 10)
)


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (LAUGHS, "document type of its own"),
        (b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>", "document type of its own"),
        (b"<!DOCTYPE a [<!ENTITY % x SYSTEM 'http://127.0.0.1:1/x'> %x;]><a/>", "document type of its own"),
        (b"<!DOCTYPE a SYSTEM 'http://127.0.0.1:1/x' [<!ATTLIST a b CDATA 'c'>]><a/>", "document type of its own"),
        (b"<a>&x;</a>", "undefined entity"),
        (b"", "empty"),
        (b" \n", "empty"),
        (b"<a><b></a>", "mismatched tag in line 1"),
        (b"<a>", "no element found"),
        (b"not xml", "syntax error"),
        (b"\x1f\x8b\x08\x00", "no XML"),
        (b"<?xml version='1.0' encoding='nonsense'?><a/>", "unknown encoding"),
        (b"<?xml version='1.0' encoding='shift_jis'?><a/>", "encoding"),
        (b"<a>\xff</a>", "not well-formed"),
        (b"<a>\x00</a>", "not well-formed"),
        (b"<a>" * 65, "more than 64 deep"),
        (b"<a>" + b"<b/>" * 1_000_001, "more than 1000000 elements"),
        (b"<a " + b" ".join(b"x%d=''" % n for n in range(400_000)) + b"/>", "single tag or comment"),
        (b"<a b='" + b"x" * 3_000_000 + b"'/>", "single tag or comment"),
        (b"<a><!--" + b"x" * 5_000_000 + b"--></a>", "single tag or comment"),
        (b"x" * (20 * 1024**2 + 1), "more than 20 MiB"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else value,
)
def test_what_is_hostile_or_broken_is_refused_in_time_and_memory(document: bytes, told: str) -> None:
    tracemalloc.start()
    began = time.thread_time()
    try:
        with pytest.raises(BadDocument, match=told):
            read(document, Heard(), seconds_max=300)  # not what is asked here, and tracing takes long
        took_seconds, peak = time.thread_time() - began, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert took_seconds < 20 * slowness()
    assert peak < 256 * 1024**2


def test_an_outer_document_type_is_named_by_many_tools_and_never_fetched() -> None:
    heard = Heard()
    read(b'<!DOCTYPE a SYSTEM "http://127.0.0.1:1/coverage-04.dtd"><a>x</a>', heard)

    assert heard.words == "x"


def test_reading_ends_when_its_time_is_over() -> None:
    with pytest.raises(BadDocument, match="took too long"):
        read(b"<a>" + b"<b/>" * 100_000 + b"</a>", Heard(), seconds_max=0)


def test_a_long_text_is_no_long_tag() -> None:
    heard = Heard()
    read(b"<a>" + b"line\n" * 2_000_000 + b"</a>", heard)

    assert len(heard.words) == 10_000_000
