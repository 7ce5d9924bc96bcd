"""The page that the pipeline is edited on."""

import pytest
from django.test import Client

from pipelines.projects import pipelines
from pipelines.projects.models import Project, Role
from tests.factories import make_person, make_project

pytestmark = pytest.mark.django_db

GOOD = (
    "image: debian:12\nstages:\n  build: {steps: [make]}\n"
    "  test:\n    matrix: {v: ['1', '2']}\n    steps: [make test]\n"
)
BAD = "image: debian:12\nstages:\n  test:\n    needs: [biuld]\n    steps: [x]\n  build: {needs: [], steps: [x]}\n"


@pytest.fixture
def project() -> Project:
    return make_project(name="shop")


@pytest.fixture
def maintainer(project: Project) -> Client:
    return signed_in(project, Role.MAINTAINER)


def signed_in(project: Project, role: Role) -> Client:
    client = Client()
    client.force_login(make_person(project=project, role=role))
    return client


def test_what_is_saved_is_the_next_version(maintainer: Client, project: Project) -> None:
    form = {"text": GOOD.replace("\n", "\r\n"), "message": "Begin", "based_on": "0"}
    answer = maintainer.post("/projects/shop/pipeline/save/", form, follow=True)
    assert "Saved as version 1" in answer.content.decode()
    newest = pipelines.current(project)
    assert newest is not None
    assert newest.text == GOOD


def test_a_text_with_mistakes_comes_back_with_them(maintainer: Client, project: Project) -> None:
    answer = maintainer.post("/projects/shop/pipeline/save/", {"text": BAD, "based_on": "0"})
    assert answer.status_code == 400
    text = answer.content.decode()
    assert "line 4" in text
    assert "biuld" in text
    assert pipelines.current(project) is None


def test_who_was_overtaken_keeps_what_they_typed(maintainer: Client, project: Project) -> None:
    pipelines.keep(project, GOOD, "bob (#9)")
    mine = GOOD.replace("make test", "make mine")
    answer = maintainer.post("/projects/shop/pipeline/save/", {"text": mine, "based_on": "0"})
    assert "somebody else has saved" in answer.content.decode()
    assert "make mine" in answer.content.decode()
    assert project.spec_versions.count() == 1


def test_while_typing_the_mistakes_come_with_line_and_column(maintainer: Client) -> None:
    (problem,) = maintainer.post("/projects/shop/pipeline/check/", {"text": BAD}).json()["problems"]
    assert (problem["line"], problem["column"], problem["key_path"]) == (4, 13, "stages.test.needs[0]")
    assert "did you mean `build`" in problem["message"]


def test_a_good_text_is_drawn_as_it_would_run(maintainer: Client) -> None:
    found = maintainer.post("/projects/shop/pipeline/check/", {"text": GOOD, "for": "push"}).json()
    assert found["problems"] == []
    assert found["graph"].count('<rect class="plate"') == 3
    assert "test, by v" in found["graph"]
    assert found["summary"] == "3 of 3 stages would run for a push to main."


def test_what_would_be_skipped_is_told_for_each_event(maintainer: Client) -> None:
    text = GOOD + "  ship:\n    when: {tag: v*}\n    steps: [ship]\n"
    for event, count in (("push", 3), ("tag", 4)):
        found = maintainer.post("/projects/shop/pipeline/check/", {"text": text, "for": event}).json()
        assert found["summary"].startswith(f"{count} of 4")


def test_a_viewer_may_look_and_check_but_not_save(project: Project) -> None:
    viewer = signed_in(project, Role.VIEWER)
    page = viewer.get("/projects/shop/pipeline/").content.decode()
    assert "takes the role maintainer" in page
    assert viewer.post("/projects/shop/pipeline/check/", {"text": GOOD}).status_code == 200
    assert viewer.post("/projects/shop/pipeline/save/", {"text": GOOD}).status_code == 403


def test_a_version_is_compared_with_the_one_before_and_brought_back(maintainer: Client, project: Project) -> None:
    pipelines.keep(project, GOOD, "bob (#9)")
    pipelines.keep(project, GOOD.replace("make test", "make check"), "bob (#9)", based_on=1)
    text = maintainer.get("/projects/shop/pipeline/versions/2/").content.decode()
    assert "make check" in text
    assert "diff__old" in text
    maintainer.post("/projects/shop/pipeline/restore/", {"number": "1", "based_on": "2"})
    newest = pipelines.current(project)
    assert newest is not None
    assert (newest.number, newest.text) == (3, GOOD)


def test_the_schema_is_served_for_editors(maintainer: Client) -> None:
    assert "stages" in maintainer.get("/schema/pipeline.json").json()["$defs"]["file"]["properties"]
