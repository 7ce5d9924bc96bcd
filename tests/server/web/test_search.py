"""Search: names at once, lines of logs by a link or script, and nothing of what one does not see."""

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from pipelines.finding import lines
from pipelines.logs import store
from pipelines.logs.models import Log
from pipelines.projects.models import Project, Role
from tests.factories import make_project, make_run, start_stage
from tests.server.web.conftest import signed_in

pytestmark = pytest.mark.django_db


def printed(project: Project, text: bytes) -> Log:
    log = Log.objects.get(pk=start_stage(make_run(project)).log_id)
    with transaction.atomic():
        store.append(log, text, len(text))
    return log


def found(client: Client, **asked: str) -> str:
    response = client.get("/search/", asked)
    assert response.status_code == 200
    return response.content.decode()


def test_an_empty_page_says_what_can_be_looked_for(viewer: Client) -> None:
    assert "the first four digits of a commit" in found(viewer)


def test_names_are_found_at_once_and_the_logs_are_a_link(project: Project, viewer: Client) -> None:
    run = make_run(project, title="Sort the basket", author="Basket Case")
    shown = found(viewer, q="basket")
    assert f"/projects/{project}/runs/{run.number}/" in shown
    assert "Basket Case" in shown
    assert 'href="?kind=logs&amp;q=basket"' in shown
    assert 'data-lines="/search/logs/?q=basket"' in shown


def test_a_line_leads_to_itself_in_the_viewer(project: Project, viewer: Client) -> None:
    printed(project, b"one\ntwo\nOut of Memory: killed\n")
    shown = found(viewer, q="out of memory", kind="logs")
    assert "<mark>Out of Memory</mark>: killed" in shown
    assert f"/projects/{project}/runs/1/?stage=build&amp;attempt=1#L3" in shown
    assert "that is all there is" in shown


def test_what_was_printed_is_shown_as_text(project: Project, viewer: Client) -> None:
    printed(project, b"needle <script>alert(1)</script>\n")
    assert "<script>alert" not in found(viewer, q="needle", kind="logs")


def test_whoever_looks_further_back_goes_on_from_there(
    project: Project, viewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "LOGS_SHOWN", 1)
    older, newer = printed(project, b"needle\n"), printed(project, b"needle\n")
    shown = found(viewer, q="needle", kind="logs")
    assert f"/search/logs/?q=needle&amp;before={newer.pk}" in shown
    further = viewer.get("/search/logs/", {"q": "needle", "before": str(newer.pk)}).content.decode()
    assert "/runs/1/?stage=build" in further
    assert (
        "that is all there is" in viewer.get("/search/logs/", {"q": "needle", "before": str(older.pk)}).content.decode()
    )


def test_nothing_of_another_s_project_is_found(project: Project) -> None:
    make_run(project, title="needle in the title", author="needle")
    printed(project, b"needle\n")
    other = signed_in(make_project(), Role.OWNER)
    shown = found(other, q="needle") + found(other, q="needle", kind="logs") + found(other, q=project.name)
    assert f"/projects/{project}/" not in shown


def test_while_others_look_one_is_told_to_ask_again(viewer: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "_PATIENCE_SECONDS", 0.01)
    with lines._places, lines._places:
        assert "ask again in a few seconds" in found(viewer, q="needle", kind="logs")


@pytest.mark.parametrize("asked", [{"q": "x\x00y"}, {"kind": "nonsense", "q": "abc"}, {"q": "abc", "before": "9" * 30}])
def test_odd_questions_are_answered(viewer: Client, asked: dict[str, str]) -> None:
    found(viewer, **asked)


def test_many_runs_cost_no_more_questions_than_few(project: Project, viewer: Client) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            found(viewer, q="add")
        return len(queries)

    make_run(project)
    before = asked()
    for _ in range(5):
        make_run(project)
    assert asked() <= before <= 20
