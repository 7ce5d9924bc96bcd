"""Files of `static/`, over ASGI."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from server.statics import StaticFiles
from tests.lab.weights import STATIC

CSS = "/static/css/tokens.css"


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=StaticFiles())
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as made:
        yield made


async def test_a_file_is_sent_as_it_is_and_for_what_it_is(client: httpx2.AsyncClient) -> None:
    answer = await client.get(CSS)
    assert answer.content == (STATIC / "css" / "tokens.css").read_bytes()
    assert answer.headers["content-type"].startswith("text/css")
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_what_a_browser_has_is_not_sent_again(client: httpx2.AsyncClient) -> None:
    known = (await client.get(CSS)).headers["last-modified"]
    answer = await client.get(CSS, headers={"If-Modified-Since": known})
    assert (answer.status_code, answer.content) == (304, b"")


async def test_a_part_a_head_and_an_act(client: httpx2.AsyncClient) -> None:
    assert (await client.get(CSS, headers={"Range": "bytes=3-9"})).content == b"Slipway"
    assert (await client.head(CSS)).content == b""
    assert (await client.post(CSS)).status_code == 405


def test_only_files_that_are_there_are_files() -> None:
    files = StaticFiles()
    assert files.has(CSS)
    assert files.has("/static/admin/css/base.css")
    for path in ("/static/nothing.css", "/static/../server/settings.py", "/static/", "/"):
        assert not files.has(path)
