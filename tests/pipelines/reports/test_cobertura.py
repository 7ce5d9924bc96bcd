"""Coverage in Cobertura's form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.reports.cases import Coverage
from pipelines.reports.cobertura import parse
from pipelines.reports.documents import BadDocument

COVERAGE_PY = b"""<?xml version="1.0" ?>
<coverage version="7.4" timestamp="1710253699000" lines-valid="120" lines-covered="90" line-rate="0.75"
 branches-covered="0" branches-valid="0" branch-rate="0" complexity="0">
<sources><source>/workspace</source></sources><packages><package name="shop" line-rate="0.75"><classes>
<class name="stock.py" filename="shop/stock.py" line-rate="1"><methods/><lines><line number="1" hits="1"/></lines>
</class></classes></package></packages></coverage>"""

ISTANBUL = b"""<?xml version="1.0" ?>
<!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">
<coverage lines-valid="4" lines-covered="4" line-rate="1" version="0.1"><packages/></coverage>"""

LISTED = b"""<coverage line-rate="0.9"><packages><package><classes><class filename="a"><methods><method><lines>
<line number="1" hits="1"/></lines></method></methods><lines><line number="1" hits="1"/><line number="2" hits="0"/>
<line number="3" hits="12" branch="true" condition-coverage="50% (1/2)"/></lines></class></classes></package></packages>
</coverage>"""


def test_the_sums_of_the_file_count() -> None:
    assert parse(COVERAGE_PY) == Coverage(90, 120)
    assert parse(COVERAGE_PY).percent == 75
    assert parse(ISTANBUL) == Coverage(4, 4)


def test_without_sums_the_lines_are_counted_and_those_of_methods_once() -> None:
    assert parse(LISTED) == Coverage(2, 3)


def test_with_a_rate_alone_the_rate_counts() -> None:
    assert parse(b"<coverage line-rate='0.8125'/>").percent == 81.25


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (b"<coverage/>", "names no lines"),
        (b"<coverage line-rate='nan'/>", "names no lines"),
        (b"<coverage line-rate='7'/>", "names no lines"),
        (b"<coverage lines-covered='9' lines-valid='3'/>", "names no lines"),
        (b"<coverage lines-covered='0' lines-valid='0'/>", "names no lines"),
        (b"<coverage lines-covered='9' lines-valid='99999999999999'/>", "names no lines"),
        (b"<report/>", "outermost element is <report>"),
        (b"<!DOCTYPE coverage [<!ENTITY a 'b'>]><coverage/>", "document type of its own"),
        (b"<coverage", "no XML"),
    ],
)
def test_what_tells_no_coverage_is_refused_with_the_reason(document: bytes, told: str) -> None:
    with pytest.raises(BadDocument, match=told):
        parse(document)


@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_a_share_is_between_nothing_and_all(covered: int, valid: int) -> None:
    if covered <= valid:
        assert 0 <= parse(f"<coverage lines-covered='{covered}' lines-valid='{valid}'/>".encode()).percent <= 100


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for document in (data, b"<coverage>" + data):
        try:
            parse(document)
        except BadDocument:
            continue
