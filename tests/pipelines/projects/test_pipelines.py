"""A pipeline kept on the server: versions, comparison, undo."""

import pytest

from pipelines.audit.models import Act
from pipelines.errors import LostRace
from pipelines.projects import pipelines
from pipelines.projects.models import Project, SpecSource
from pipelines.spec.errors import SpecError
from tests.factories import make_project

pytestmark = pytest.mark.django_db

ONE = "image: debian:12\nstages:\n  test:\n    steps: [make test]\n"
TWO = ONE.replace("make test", "make check")


@pytest.fixture
def project() -> Project:
    return make_project()


def test_the_first_save_takes_the_pipeline_over_from_the_repository(project: Project) -> None:
    saved = pipelines.keep(project, ONE, "ana (#1)", "Begin")
    assert (saved.number, saved.text, saved.author, saved.message) == (1, ONE, "ana (#1)", "Begin")
    project.refresh_from_db()
    assert project.spec_source == SpecSource.SERVER
    assert pipelines.current(project) == saved


def test_every_edit_is_a_version_of_its_own_and_is_audited(project: Project) -> None:
    pipelines.keep(project, ONE, "ana (#1)")
    pipelines.keep(project, TWO, "bob (#2)", "Check as well", based_on=1)
    assert [one.text for one in project.spec_versions.order_by("number")] == [ONE, TWO]
    assert Act.objects.filter(verb="saved the pipeline").count() == 2


def test_who_was_overtaken_is_told_and_nothing_is_lost(project: Project) -> None:
    pipelines.keep(project, ONE, "ana (#1)")
    pipelines.keep(project, TWO, "bob (#2)", based_on=1)
    with pytest.raises(LostRace, match="somebody else"):
        pipelines.keep(project, ONE, "ana (#1)", based_on=1)
    assert project.spec_versions.count() == 2


def test_a_text_with_mistakes_is_not_kept(project: Project) -> None:
    with pytest.raises(SpecError, match="no image"):
        pipelines.keep(project, "stages: {test: {steps: [x]}}", "ana (#1)")
    assert pipelines.current(project) is None


def test_a_text_of_too_many_lines_to_be_compared_is_not_kept(project: Project) -> None:
    with pytest.raises(SpecError, match=r"at most 5,000"):
        pipelines.keep(project, ONE + "#\n" * 6000, "ana (#1)")


def test_an_earlier_version_comes_back_as_a_new_one(project: Project) -> None:
    pipelines.keep(project, ONE, "ana (#1)")
    pipelines.keep(project, TWO, "ana (#1)", based_on=1)
    back = pipelines.restore(project, 1, "bob (#2)", based_on=2)
    assert (back.number, back.text, back.restores) == (3, ONE, 1)


def test_runs_can_take_the_repositorys_file_again_and_the_versions_stay(project: Project) -> None:
    pipelines.keep(project, ONE, "ana (#1)")
    pipelines.leave(project, "ana (#1)")
    project.refresh_from_db()
    assert project.spec_source == SpecSource.REPOSITORY
    assert project.spec_versions.count() == 1


def test_a_comparison_shows_what_changed_with_a_few_lines_around() -> None:
    before = "".join(f"line {n}\n" for n in range(30))
    after = before.replace("line 15\n", "other\n")
    lines = pipelines.compare(before, after)
    assert [line.text for line in lines if line.sign == "-"] == ["line 15"]
    assert [line.text for line in lines if line.sign == "+"] == ["other"]
    assert len(lines) == 1 + 2 + 2 * pipelines.NEAR
    assert pipelines.compare(before, before) == []
