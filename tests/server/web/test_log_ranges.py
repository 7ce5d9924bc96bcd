"""A log by byte ranges, by rows, by words: over HTTP, for those who may read it."""

import gzip
import json
from array import array
from itertools import accumulate

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from pipelines.logs import store
from pipelines.logs.models import Log
from pipelines.projects.models import Project
from pipelines.runs.models import Attempt
from tests.factories import make_person, make_run, print_steps, start_stage

pytestmark = pytest.mark.django_db

_TEXT = b"".join(b"line %d\n" % number for number in range(1, 5001))


@pytest.fixture
def attempt(project: Project) -> Attempt:
    attempt = start_stage(make_run(project))
    print_steps(attempt, [_TEXT[:1000], _TEXT[1000:]], [0])
    return attempt


def get(client: Client, attempt: Attempt, **headers: str) -> tuple[HttpResponse, bytes]:
    answer = client.get(reverse("log", args=[attempt.log_id]), headers=headers)
    streaming = getattr(answer, "streaming_content", None)
    return answer, b"".join(streaming) if streaming is not None else answer.content  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1), ("bytes=10-19", 10, 20), ("bytes=1000-", 1000, None), ("bytes=-5", -5, None),
        ("bytes=0-", 0, None), ("bytes=-999999999", 0, None), ("Bytes = 3 - 999999999", 3, None),
    ],
)  # fmt: skip
def test_a_range_is_answered_with_those_bytes(
    viewer: Client, attempt: Attempt, asked: str, start: int, end: int | None
) -> None:
    answer, content = get(viewer, attempt, range=asked)
    assert answer.status_code == 206
    assert content == _TEXT[start:end]
    first = start if start >= 0 else len(_TEXT) + start
    assert answer["Content-Range"] == f"bytes {first}-{first + len(content) - 1}/{len(_TEXT)}"
    assert answer["Content-Length"] == str(len(content))


@pytest.mark.parametrize("asked", ["bytes=999999999-", "bytes=-0", "bytes=999999999-9999999999"])
def test_a_range_behind_the_end_cannot_be_had(viewer: Client, attempt: Attempt, asked: str) -> None:
    answer, content = get(viewer, attempt, range=asked)
    assert (answer.status_code, content) == (416, b"")
    assert answer["Content-Range"] == f"bytes */{len(_TEXT)}"


@pytest.mark.parametrize("asked", ["", "bytes=5-2", "bytes=-", "bytes=a-b", "lines=1-2", "bytes=0-1,5-6", "bytes=1"])
def test_what_is_no_single_range_is_answered_with_all(viewer: Client, attempt: Attempt, asked: str) -> None:
    answer, content = get(viewer, attempt, range=asked)
    assert (answer.status_code, content) == (200, _TEXT)
    assert answer["Accept-Ranges"] == "bytes"


def test_a_download_is_taken_up_again_only_of_the_very_text(viewer: Client, attempt: Attempt) -> None:
    growing, _ = get(viewer, attempt)
    assert "ETag" not in growing
    store.close(attempt.log)
    tag = get(viewer, attempt)[0]["ETag"]
    assert get(viewer, attempt, range="bytes=9-", **{"if-range": tag})[0].status_code == 206
    assert get(viewer, attempt, range="bytes=9-", **{"if-range": '"another"'})[0].status_code == 200


def test_while_it_grows_a_log_is_fetched_piece_after_piece(viewer: Client, attempt: Attempt) -> None:
    _, got = get(viewer, attempt)
    attempt.log.refresh_from_db()
    store.append(attempt.log, b"more\n", attempt.log.raw_size + 5)
    answer, more = get(viewer, attempt, range=f"bytes={len(got)}-")
    assert (answer.status_code, got + more) == (206, _TEXT + b"more\n")
    assert get(viewer, attempt, range=f"bytes={len(_TEXT) + 5}-")[0].status_code == 416


def rows(client: Client, attempt: Attempt, **place: int | str) -> tuple[dict[str, object], bytes]:
    answer = client.get(reverse("log-rows", args=[attempt.log_id]), place)
    assert answer.status_code == 200
    told, _, data = answer.content.partition(b"\n")
    return json.loads(told), data


def test_rows_come_in_blocks_around_the_place_that_is_asked_for(viewer: Client, attempt: Attempt) -> None:
    for place, at in (({"row": 1234}, 1234), ({"line": 1235}, 1234), ({}, 4999), ({"row": "x"}, 4999)):
        told, data = rows(viewer, attempt, **place)
        first = at - at % 500
        assert (told["at"], told["place"]["row"]) == (at, first)  # type: ignore[index]
        assert data == b"".join(b"line %d\n" % number for number in range(first + 1, first + 501))
    assert (told["rows"], told["lines"], told["size"], told["closed"]) == (5000, 5000, len(_TEXT), False)
    names = [(step["name"], step["row"], step["code"]) for step in told["steps"]]  # type: ignore[attr-defined]
    assert names == [("echo building", 0, 0), ("mkdir -p dist && date > dist/built", 124, None)]


def test_an_empty_log_has_no_rows(viewer: Client, project: Project) -> None:
    attempt = start_stage(make_run(project))
    told, data = rows(viewer, attempt)
    assert (told["rows"], data, told["times"]) == (0, b"", [])


def test_a_search_is_answered_with_rows(viewer: Client, attempt: Attempt) -> None:
    answer = viewer.get(reverse("log-find", args=[attempt.log_id]), {"q": "LINE 49"})
    differences = array("I", gzip.decompress(answer.content))
    assert list(accumulate(differences)) == [48, *range(489, 499), *range(4899, 4999)]
    assert answer["Content-Encoding"] == "gzip"


def test_the_first_error_is_told_by_its_row(viewer: Client, attempt: Attempt) -> None:
    address = reverse("log-first-error", args=[attempt.log_id])
    assert viewer.get(address).json() == {"row": None, "step": None}
    attempt.log.refresh_from_db()
    store.append(attempt.log, b"error: no\n", attempt.log.raw_size + 10)
    assert viewer.get(address).json() == {"row": 5000, "step": None}


@pytest.mark.parametrize("name", ["log", "log-rows", "log-find", "log-first-error"])
def test_nobody_else_reads_any_of_it(client: Client, attempt: Attempt, name: str) -> None:
    address = reverse(name, args=[attempt.log_id])
    assert client.get(address).status_code == 302
    client.force_login(make_person())
    assert client.get(address).status_code in (403, 404)
    assert client.get(reverse(name, args=[Log.objects.latest("pk").pk + 1])).status_code == 404
