"""JUnit's XML in every dialect that we know of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.reports.cases import Case
from pipelines.reports.junit import Found, parse, seconds_of
from pipelines.states.status import Status

S, F, E, K = Status.SUCCEEDED, Status.FAILED, Status.ERRORED, Status.SKIPPED

PYTEST = b"""<?xml version="1.0" encoding="utf-8"?>
<testsuites name="pytest tests"><testsuite name="pytest" errors="1" failures="1" skipped="2" tests="5" time="0.043"
 timestamp="2026-03-12T14:28:19.1+00:00" hostname="ci">
<testcase classname="tests.test_a.TestB" name="test_well[1-x]" time="0.001" />
<testcase classname="tests.test_a" name="test_bad" time="0.002"><failure message="assert 1 == 2">def test_bad():
&gt;       assert 1 == 2
E       assert 1 == 2

tests/test_a.py:7: AssertionError</failure></testcase>
<testcase classname="tests.test_a" name="test_left" time="0.000"><skipped type="pytest.skip"
 message="no network">tests/test_a.py:9: no network</skipped></testcase>
<testcase classname="tests.test_a" name="test_x" time="0.0"><skipped type="pytest.xfail" message="known"/></testcase>
<testcase classname="" name="tests.test_c" time="0.000"><error message="collection failure">ImportError</error>
</testcase></testsuite></testsuites>"""

OLD_PYTEST = b"""<testsuite name="pytest" tests="1"><testcase classname="t" file="tests/test_t.py" line="47" name="n"
 time="1.25"><system-out>printed</system-out><failure message="m">text</failure></testcase></testsuite>"""

JEST = b"""<testsuites name="jest tests" tests="2" failures="1" errors="0" time="1.234">
<testsuite name="Basket" file="src/basket.test.js" errors="0" failures="1" skipped="0" tests="2" time="0.5">
<testcase classname="Basket adds" name="Basket adds" time="0.004"></testcase>
<testcase classname="Basket empties" name="Basket empties" time="0.01">
<failure>Error: expect(received).toBe(expected)
    at Object.&lt;anonymous&gt; (src/basket.test.js:5:10)</failure></testcase></testsuite></testsuites>"""

SUREFIRE = b"""<testsuite xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" name="org.shop.StockTest"
 time="1,234.567" tests="4" errors="1" skipped="1" failures="1"><properties><property name="os" value="x"/></properties>
<testcase name="reserves" classname="org.shop.StockTest" time="1,200.5"/>
<testcase name="throws" classname="org.shop.StockTest" time="0.1"><error message="npe" type="java.lang.NPE"
><![CDATA[java.lang.NPE
  at org.shop]]></error><system-out><![CDATA[noise]]></system-out></testcase>
<testcase name="ignored" classname="org.shop.StockTest"><skipped/></testcase>
<testcase name="wobbles" classname="org.shop.StockTest" time="0.1"><flakyFailure message="once" type="x">
<stackTrace>one</stackTrace><system-out>o</system-out></flakyFailure></testcase>
<testcase name="stays" classname="org.shop.StockTest" time="0.1"><failure message="no" type="x">first</failure>
<rerunFailure message="no again" type="x">second</rerunFailure></testcase></testsuite>"""

GO = b"""<testsuites><testsuite tests="2" failures="1" time="0.160" name="example.org/shop" timestamp="">
<properties><property name="go.version" value="go1.22"></property></properties>
<testcase classname="shop" name="TestOne" time="0.060"></testcase>
<testcase classname="shop" name="TestTwo/sub" time="0.100"><failure message="Failed" type=""
>two_test.go:11: no</failure></testcase></testsuite></testsuites>"""

GTEST = b"""<testsuites tests="3" failures="1" disabled="1" errors="0" time="35" name="AllTests">
<testsuite name="MathTest" tests="2" failures="1"><testcase name="Adds" file="math_test.cc" line="12" status="run"
 result="completed" time="0.007" classname="MathTest"><failure message="Value of: 1&#x0A;Actual: 2" type="">
<![CDATA[math_test.cc:14]]></failure><failure message="again" type=""/></testcase>
<testcase name="DISABLED_Old" status="notrun" result="suppressed" time="0." classname="MathTest"/>
<testcase name="Left" status="run" result="skipped" time="0" classname="MathTest"><skipped message="s"/></testcase>
</testsuite></testsuites>"""

NESTED = b"""<testsuites><testsuite name="outer"><testsuite name="inner"><testcase name="deep"/></testsuite>
<testcase name="shallow"/></testsuite></testsuites>"""


def outcomes(found: Found) -> list[tuple[str, Status]]:
    assert not found.broken
    return [(case.name, case.outcome) for case in found.cases]


def test_pytest() -> None:
    found = parse(PYTEST)
    bad = found.cases[1]

    named = ["test_well[1-x]", "test_bad", "test_left", "test_x", "tests.test_c"]
    assert outcomes(found) == list(zip(named, [S, F, K, K, E], strict=True))
    assert (bad.suite, bad.group, bad.seconds, bad.message) == ("pytest", "tests.test_a", 0.002, "assert 1 == 2")
    assert bad.text.startswith("def test_bad():\n>       assert 1 == 2\n")
    assert found.cases[2].message == "no network"


def test_older_pytest_names_file_and_line_and_what_was_printed_is_passed_over() -> None:
    [case] = parse(OLD_PYTEST).cases

    assert (case.file, case.line, case.text) == ("tests/test_t.py", 47, "text")


def test_jest_has_the_file_on_the_suite_and_the_message_in_the_text() -> None:
    well, bad = parse(JEST).cases

    assert (well.outcome, bad.outcome, bad.file) == (S, F, "src/basket.test.js")
    assert bad.message == "Error: expect(received).toBe(expected)"


def test_surefire_with_reruns() -> None:
    found = parse(SUREFIRE)

    named = ["reserves", "throws", "ignored", "wobbles", "stays"]
    assert outcomes(found) == list(zip(named, [S, E, K, S, F], strict=True))
    assert [case.name for case in found.cases if case.flaky] == ["wobbles"]
    assert found.cases[0].seconds == 1200.5
    assert (found.cases[1].message, found.cases[1].text) == ("npe", "java.lang.NPE\n  at org.shop")
    assert found.cases[4].text == "first"


def test_go_junit_report() -> None:
    found = parse(GO)

    assert outcomes(found) == [("TestOne", S), ("TestTwo/sub", F)]
    assert (found.cases[1].message, found.cases[1].text) == ("Failed", "two_test.go:11: no")


def test_googletest_with_two_failures_in_a_test_and_one_that_is_disabled() -> None:
    found = parse(GTEST)

    assert outcomes(found) == [("Adds", F), ("DISABLED_Old", K), ("Left", K)]
    assert (found.cases[0].message, found.cases[0].line) == ("Value of: 1 Actual: 2", 12)


def test_suites_within_suites_name_their_own_tests() -> None:
    assert [(case.suite, case.name) for case in parse(NESTED).cases] == [("inner", "deep"), ("outer", "shallow")]


def test_a_suite_that_failed_to_set_up_is_a_failed_test_of_its_own() -> None:
    [case] = parse(b"<testsuite name='s'><error message='no database'>trace</error></testsuite>").cases

    assert (case.suite, case.name, case.outcome, case.message) == ("s", "the suite itself", E, "no database")


def test_a_report_of_no_tests_has_none() -> None:
    assert parse(b"<testsuites/>") == Found()


def test_of_a_file_that_breaks_off_the_tests_before_that_are_told() -> None:
    found = parse(PYTEST[: PYTEST.index(b'name="test_left"')])

    assert [case.name for case in found.cases] == ["test_well[1-x]", "test_bad"]
    assert "it is no XML" in found.broken


def test_another_kind_of_document_is_named() -> None:
    assert parse(b"<html><body/></html>").broken == "it is no JUnit report: its outermost element is <html>"


def test_more_tests_than_may_be_are_counted_and_left_out() -> None:
    found = parse(b"<testsuite>" + b"".join(b"<testcase name='t%d'/>" % n for n in range(12)) + b"</testsuite>", 10)

    assert (len(found.cases), found.left_out) == (10, 2)


def test_names_lose_colours_control_characters_and_turned_writing() -> None:
    document = "<testsuite name='a&#10;b'><testcase name=' x&#x202E;y&#x85; &#9;z ' file='a&#13;b'><failure>"
    document += "\x9b31mred&#x9b;0m\r\nline&#x7f;</failure></testcase></testsuite>"
    [case] = parse(document.encode()).cases

    assert (case.suite, case.name, case.file, case.text) == ("a b", "xy z", "a b", "red\nline")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0.25", 0.25),
        ("0", 0.0),
        ("0.", 0.0),
        (" 3 ", 3.0),
        ("1,234.567", 1234.567),
        ("1.234,567", 1234.567),
        ("1,234,567", 1234567.0),
        ("0,25", 0.25),
        ("12,5", 12.5),
        ("1'234.5", 1234.5),
        ("3.2E-5", 3.2e-5),
        ("9e99", 1e7),
        ("9e999", None),
        ("", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("1.2.3", None),
        ("١", None),
        ("9" * 400, None),
        ("soon", None),
    ],
)
def test_durations_are_read_as_tools_write_them(text: str, seconds: float | None) -> None:
    assert seconds_of(text) == seconds


TEXTS = st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="&<\"'\ufffe\uffff"), max_size=30)


@given(st.lists(st.tuples(TEXTS, TEXTS, st.sampled_from(["", "failure", "error", "skipped"]), TEXTS), max_size=8))
def test_every_case_of_a_report_comes_back(rows: list[tuple[str, str, str, str]]) -> None:
    cases = "".join(
        f'<testcase name="{name}" classname="{group}">{f"<{kind}>{text}</{kind}>" if kind else ""}</testcase>'
        for name, group, kind, text in rows
    )
    found = parse(f"<testsuite>{cases}</testsuite>".encode())
    expected = {"": S, "failure": F, "error": E, "skipped": K}

    assert not found.broken
    assert [case.outcome for case in found.cases] == [expected[kind] for _, _, kind, _ in rows]


TREE = st.recursive(
    st.sampled_from(["testcase", "failure", "skipped", "error", "system-out", "rerunFailure", "x"]).map(
        lambda tag: f"<{tag} name='n' time='1' line='-1'>t</{tag}>"
    ),
    lambda inner: st.tuples(st.sampled_from(["testsuite", "testsuites", "testcase", "failure"]), st.lists(inner)).map(
        lambda pair: f"<{pair[0]}>{''.join(pair[1])}</{pair[0]}>"
    ),
)


@given(TREE)
def test_elements_in_any_order_are_read_without_an_error(document: str) -> None:
    assert all(isinstance(case, Case) for case in parse(document.encode()).cases)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_an_error(data: bytes) -> None:
    parse(data)
    parse(b"<testsuite>" + data)
