"""Report files out of a real container, and what a hostile one may try."""

import pytest

from pipelines.reports.cases import Coverage
from pipelines.reports.documents import BYTES_MAX
from pipelines.spec.model import ReportsSpec
from pipelines.states.status import Status
from runners import reports
from runners.containers.docker import DockerExecutor
from runners.reports import collect
from tests.runners.ended import After

REPORT = '<testsuite name="s"><testcase name="well" time="1"/><testcase name="bad"><failure>no</failure></testcase>'
REPORT += "</testsuite>"
JUNIT = ReportsSpec(junit=("report.xml",))


def junit(name: str) -> str:
    return f"<testsuite><testcase name='{name}'/></testsuite>"


def test_a_stage_that_failed_is_told_with_its_tests(executor: DockerExecutor, after: After) -> None:
    collected = collect(executor, after(f"echo '{REPORT}' >report.xml; exit 1"), JUNIT)

    assert [(case.name, case.outcome) for case in collected.cases] == [
        ("well", Status.SUCCEEDED),
        ("bad", Status.FAILED),
    ]
    assert (collected.failures, collected.verdict, collected.notes) == (1, "1 test failed", ())


def test_of_a_folder_every_report_directly_in_it_is_read(executor: DockerExecutor, after: After) -> None:
    step = "mkdir -p out/deep; cd out; " + "; ".join(f'echo "{junit(name)}" >{name}.xml' for name in ("a", "b"))
    step += f'; echo "{junit("c")}" >deep/c.xml; echo no >notes.txt; cp a.xml a.xml.old'
    collected = collect(executor, after(step), ReportsSpec(junit=("./out/",)))

    assert sorted(case.name for case in collected.cases) == ["a", "b"]
    assert collected.notes == ()


def test_coverage_of_several_files_is_one(executor: DockerExecutor, after: After) -> None:
    first, second = ("<coverage lines-covered='1' lines-valid='4'/>", "<coverage lines-covered='5' lines-valid='6'/>")
    container = after(f'echo "{first}" >a.xml; mkdir c; echo "{second}" >c/b.xml')

    assert collect(executor, container, ReportsSpec(coverage=("a.xml", "c"))).coverage == Coverage(6, 10)


def test_secrets_are_masked_in_names_texts_and_notes(executor: DockerExecutor, after: After) -> None:
    document = '<testsuite><testcase name="t[hunter2]"><failure message="hunter2">hunter2</failure></testcase>'
    step = f"mkdir out; echo '{document}</testsuite>' >out/a.xml; echo broken >out/hunter2.xml"
    collected = collect(executor, after(step), ReportsSpec(junit=("out",)), lambda text: text.replace("hunter2", "***"))

    assert "hunter2" not in repr(collected)
    assert collected.cases[0].name == "t[***]"
    assert collected.notes == ("out/***.xml cannot be read: it is no XML: syntax error in line 1, column 1.",)


@pytest.mark.parametrize(
    ("step", "told"),
    [
        ("true", "report.xml was not written: the step that makes it did not run, or names another file."),
        ("ln -s /etc/passwd report.xml", "report.xml is not read: report.xml is a link."),
        ("mkdir report.xml", "report.xml has no .xml file directly in it."),
        (
            "mkdir report.xml; ln -s /etc/passwd report.xml/a.xml",
            "report.xml/a.xml is not read: it is a link or no file.",
        ),
        ("mkdir report.xml; mkfifo report.xml/a.xml", "report.xml/a.xml is not read: it is a link or no file."),
        (": >report.xml", "report.xml cannot be read: it is empty."),
        ("echo '<testsuite><testcase name=\"a\"' >report.xml", "report.xml cannot be read: it is no XML"),
        ("echo '<!DOCTYPE a [<!ENTITY x \"y\">]><testsuite/>' >report.xml", "declares a document type of its own"),
        (f"dd if=/dev/zero of=report.xml bs=1M count={BYTES_MAX // 1024**2 + 1}", "has more than 20 MiB."),
    ],
)
def test_what_is_missing_or_broken_is_a_note_and_no_error(
    executor: DockerExecutor, after: After, step: str, told: str
) -> None:
    collected = collect(executor, after(step), JUNIT)

    assert told in "\n".join(collected.notes)
    assert not collected.cases


def test_a_folder_behind_a_link_is_not_read(executor: DockerExecutor, after: After) -> None:
    container = after(f'mkdir real; echo "{junit("a")}" >real/r.xml; ln -s real out')
    collected = collect(executor, container, ReportsSpec(junit=("out/r.xml",)))

    assert collected.notes == ("out/r.xml is not read: out is a link.",)


@pytest.mark.parametrize("path", ["/etc/passwd", "../x.xml", "a/../../x", "", ".", "a\0b"])
def test_a_path_out_of_the_workspace_is_not_read(executor: DockerExecutor, after: After, path: str) -> None:
    [note] = collect(executor, after("true"), ReportsSpec(junit=(path,))).notes

    assert "give a file or folder in the workspace" in note


def test_one_broken_report_does_not_hide_the_others(executor: DockerExecutor, after: After) -> None:
    container = after(f'mkdir out; echo no >out/a.xml; echo "{junit("b")}" >out/b.xml')
    collected = collect(executor, container, ReportsSpec(junit=("gone.xml", "out")))

    assert [case.name for case in collected.cases] == ["b"]
    assert len(collected.notes) == 2


def test_too_much_is_cut_and_told(executor: DockerExecutor, after: After, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "CASES_MAX", 3)
    monkeypatch.setattr(reports, "FILES_MAX", 2)
    two = "<testsuite><testcase name='NAME-1'/><testcase name='NAME-2'/></testsuite>"
    files = "; ".join(f'echo "{two.replace("NAME", name)}" >out/{name}.xml' for name in ("a", "b", "c"))
    collected = collect(executor, after(f"mkdir out; {files}"), ReportsSpec(junit=("out",)))

    assert len(collected.cases) == 3
    assert set(collected.notes) == {
        "out has more than 2 reports: the others are left out.",
        "1 test was left out: of a stage at most 3 are kept.",
    }


def test_a_folder_full_of_other_things_is_not_read_to_its_end(
    executor: DockerExecutor, after: After, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "TOTAL_BYTES_MAX", 1024**2)
    container = after("mkdir out; dd if=/dev/zero of=out/core bs=1M count=30")
    [note] = collect(executor, container, ReportsSpec(junit=("out",))).notes

    assert note == "out has more than 1 MiB: name a folder of reports alone."


def test_results_under_one_name_are_counted_once_and_told(executor: DockerExecutor, after: After) -> None:
    twice = "<testsuite><testcase name='a'/><testcase name='a'><failure/></testcase></testsuite>"
    collected = collect(executor, after(f'echo "{twice}" >report.xml'), JUNIT)

    assert [case.outcome for case in collected.cases] == [Status.FAILED]
    assert collected.notes == ("Names that came twice: 1; of each the worst result counts.",)
