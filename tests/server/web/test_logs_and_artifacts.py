"""Text and files that a build made are handed out as such and never as pages."""

import pytest
from django.test import AsyncClient, Client
from django.urls import reverse

from pipelines.projects.models import Project
from server.web import logs
from tests.factories import make_green_run, make_run, print_steps, start_stage

pytestmark = pytest.mark.django_db


def test_a_raw_log_is_plain_text_to_its_last_byte(viewer: Client, project: Project) -> None:
    text = b"<script>\x1b[31m" + bytes(range(256)) * 5000
    attempt = start_stage(make_run(project))
    print_steps(attempt, [text])
    response = viewer.get(reverse("log", args=[attempt.log_id]))
    assert b"".join(response.streaming_content) == text  # type: ignore[attr-defined]
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response["X-Content-Type-Options"] == "nosniff"


@pytest.mark.django_db(transaction=True)
async def test_under_asgi_a_log_is_sent_piece_by_piece() -> None:
    from asgiref.sync import sync_to_async

    from tests.factories import make_operator

    def prepare() -> tuple[int, object]:
        attempt = start_stage(make_run())
        print_steps(attempt, [b"one\n", b"two\n"])
        return attempt.log_id, make_operator()

    log_id, operator = await sync_to_async(prepare)()
    client = AsyncClient()
    await client.aforce_login(operator)  # type: ignore[arg-type]
    response = await client.get(f"/logs/{log_id}.txt")
    assert [piece async for piece in response.streaming_content] == [b"one\n", b"two\n"]  # type: ignore[attr-defined]


def test_an_artifact_is_a_file_to_save(viewer: Client, project: Project) -> None:
    run = make_green_run(project)
    artifact = run.stages.get(name="build").attempts.get().artifacts.get()
    response = viewer.get(reverse("artifact", args=[artifact.pk]))
    assert b"".join(response.streaming_content) == b"an archive"  # type: ignore[attr-defined]
    assert response["Content-Disposition"] == f'attachment; filename="{project.name}-1-dist.tar"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        (b"\x1b[1;31mred\x1b[0m and plain", "red and plain"),
        (b"10 %\r50 %\r100 %\n", "100 %\n"),
        (b"dos\r\nlines\r\n", "dos\nlines\n"),
        (b"\x1b]0;title\x07text\x1b(B", "text"),
        (b"a\x00b\x08c\x7f", "abc"),
        (b"\xff\xfe broken", "\ufffd\ufffd broken"),
        ("ärger ✓".encode(), "ärger ✓"),
    ],
)
def test_text_for_pages_without_javascript_has_neither_colours_nor_control_characters(
    printed: bytes, shown: str
) -> None:
    assert logs.plain(printed) == shown


def test_a_long_log_is_shown_from_a_whole_line_on(viewer: Client, project: Project) -> None:
    attempt = start_stage(make_run(project))
    print_steps(attempt, [b"".join(b"line %06d\n" % number for number in range(20000))])
    shown = logs.shown(attempt.log, "build")
    assert shown.cut
    assert len(shown.text) <= logs.SHOWN
    assert shown.text.startswith("line ")
    assert shown.text.endswith("line 019999\n")
