"""The page of a project's schedules."""

import pytest
from django.test import Client

from pipelines.projects.models import Project
from pipelines.schedules import lifecycle
from pipelines.schedules.models import Schedule
from pipelines.spec.model import ScheduleSpec
from tests.factories import make_project

pytestmark = pytest.mark.django_db

BERLIN = "Europe/Berlin"
WEEKLY = {"name": "weekly", "cron": "0 6 * * 1", "timezone": BERLIN, "branch": "next", "parameters": "deep=true"}


def _post(client: Client, project: Project, form: dict[str, str], path: str = "") -> str:
    return client.post(f"/projects/{project}/schedules/{path}", form, follow=True).content.decode()


def test_a_maintainer_adds_a_schedule(maintainer: Client, project: Project) -> None:
    page = _post(maintainer, project, WEEKLY)
    schedule = Schedule.objects.get()
    assert (schedule.ref, schedule.parameters, schedule.timezone) == ("refs/heads/next", {"deep": "true"}, BERLIN)
    assert "weekly fires next" in page
    assert page.count("at 06:00 CE") == 3
    assert "(UTC+0" in page


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"cron": "0 0 30 2 *"}, "never comes round: there is no such date"),
        ({"timezone": "Europe/Berln"}, "did you mean Europe/Berlin?"),
        ({"parameters": "deep"}, "one NAME=value a line"),
        ({"name": "Every week"}, "is no name"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence_and_what_was_written_stays(
    maintainer: Client, project: Project, wrong: dict[str, str], said: str
) -> None:
    page = _post(maintainer, project, {**WEEKLY, **wrong})
    assert said in page
    assert 'value="next"' in page
    assert not Schedule.objects.exists()


def test_a_maintainer_pauses_resumes_and_removes(maintainer: Client, project: Project) -> None:
    _post(maintainer, project, WEEKLY)
    schedule = Schedule.objects.get()
    assert "paused" in _post(maintainer, project, {"act": "pause"}, f"{schedule.pk}/")
    assert "Pause" in _post(maintainer, project, {"act": "resume"}, f"{schedule.pk}/")
    assert "None yet" in _post(maintainer, project, {"act": "remove"}, f"{schedule.pk}/")


def test_a_schedule_of_the_file_can_be_paused_but_not_removed(maintainer: Client, project: Project) -> None:
    lifecycle.sync(project, [ScheduleSpec("nightly", "30 2 * * *")])
    schedule = Schedule.objects.get()
    assert "take it out there, or pause it" in _post(maintainer, project, {"act": "remove"}, f"{schedule.pk}/")
    _post(maintainer, project, {"act": "pause"}, f"{schedule.pk}/")
    schedule.refresh_from_db()
    assert schedule.is_paused


def test_a_schedule_of_another_project_is_not_found(maintainer: Client, project: Project) -> None:
    other = lifecycle.make(make_project(), "nightly", "30 2 * * *", "UTC", "", {}, "ana (#3)")
    assert maintainer.post(f"/projects/{project}/schedules/{other.pk}/", {"act": "remove"}).status_code == 404


def test_a_developer_reads_them_and_is_told_why_not_more(developer: Client, project: Project) -> None:
    assert developer.post(f"/projects/{project}/schedules/", WEEKLY).status_code == 403
    page = developer.get(f"/projects/{project}/schedules/").content.decode()
    assert "to change schedules takes the role maintainer" in page
