"""The webhook's own entrance, over ASGI."""

import asyncio
import json
import time
from collections.abc import AsyncIterator

import httpx2
import pytest
from asgiref.sync import sync_to_async
from django.db import connection

from pipelines.projects.models import Project
from pipelines.runs.models import Event, Run
from server.scm import deliveries, door
from server.scm.door import WebhookDoor
from tests.factories import make_project, make_sha
from tests.lab import payloads, webhooks
from tests.lab.payloads import ZERO, Movement, Origin

pytestmark = pytest.mark.django_db(transaction=True)
SHOP = Origin(7, "acme/shop", "/srv/git/shop.git")


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    entrance = WebhookDoor()
    transport = httpx2.ASGITransport(app=entrance)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as made:
        yield made
    await entrance.close()


@pytest.fixture
def project() -> Project:
    return make_project()


async def push(client: httpx2.AsyncClient, project: Project, sha: str, delivery_id: str) -> httpx2.Response:
    body = json.dumps(payloads.push(SHOP, Movement("refs/heads/main", ZERO, sha, "Add"))).encode()
    headers = webhooks.headers("push", body, project.webhook_secret, delivery_id)
    return await client.post(f"{door.PREFIX}{project.name}", content=body, headers=headers)


async def test_a_hundred_pushes_at_once_are_a_hundred_runs(client: httpx2.AsyncClient, project: Project) -> None:
    shas = [make_sha() for _ in range(100)]
    answers = await asyncio.gather(*[push(client, project, sha, f"d{i}") for i, sha in enumerate(shas)])
    assert {answer.status_code for answer in answers} == {202}
    assert sorted(answer.json()["run"] for answer in answers) == list(range(1, 101))
    assert {sha async for sha in Run.objects.values_list("sha", flat=True)} == set(shas)


async def test_one_delivery_sent_many_times_at_once_is_stored_once(
    client: httpx2.AsyncClient, project: Project
) -> None:
    sha = make_sha()
    answers = await asyncio.gather(*[push(client, project, sha, "same") for _ in range(40)])
    assert sorted(answer.status_code for answer in answers) == [200] * 39 + [202]
    assert await Event.objects.acount() == 1


async def test_a_body_that_claims_to_be_too_large_is_not_read(client: httpx2.AsyncClient, project: Project) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"x"
        raise AssertionError("read on")

    headers = {"Content-Length": str(deliveries.MAX_BODY + 1)}
    answer = await client.post(f"{door.PREFIX}{project.name}", content=body(), headers=headers)
    assert answer.status_code == 413


async def test_a_body_that_grows_too_large_is_cut_off(client: httpx2.AsyncClient, project: Project) -> None:
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b"x" * 1024 * 1024

    answer = await client.post(f"{door.PREFIX}{project.name}", content=body())
    assert answer.status_code == 413
    assert sent <= 30


async def test_a_sender_that_stalls_is_let_go(
    client: httpx2.AsyncClient, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "BODY_SECONDS", 0.2)

    async def body() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(600)

    begun = time.monotonic()
    answer = await client.post(f"{door.PREFIX}{project.name}", content=body())
    assert answer.status_code == 408
    assert time.monotonic() - begun < 60


async def test_a_name_that_no_database_takes_is_a_wrong_signature(client: httpx2.AsyncClient) -> None:
    for name in ("%00", "sh%00op", "caf%C3%A9", "%FF", "a" * 5000):
        assert (await client.post(f"{door.PREFIX}{name}", content=b"{}")).status_code == 401


async def test_a_delivery_that_breaks_does_not_spoil_the_others_of_its_batch(
    client: httpx2.AsyncClient, project: Project
) -> None:
    unreadable = await sync_to_async(make_project)()
    await sync_to_async(_store_foreign_secret)(unreadable)
    shas = [make_sha() for _ in range(20)]
    good = [push(client, project, sha, f"d{i}") for i, sha in enumerate(shas)]
    bad = [client.post(f"{door.PREFIX}{unreadable.name}", content=b"{}") for _ in range(5)]
    answers = await asyncio.gather(*bad, *good)
    assert [answer.status_code for answer in answers] == [503] * 5 + [202] * 20


def _store_foreign_secret(project: Project) -> None:
    """As after the loss of the key that it was encrypted with."""
    table = connection.ops.quote_name(Project._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET webhook_secret = 'foreign' WHERE id = %s", [project.pk])


async def test_other_methods_are_refused(client: httpx2.AsyncClient) -> None:
    answer = await client.get(f"{door.PREFIX}shop")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


async def test_every_error_is_json_without_a_trace(client: httpx2.AsyncClient, project: Project) -> None:
    answer = await client.post(f"{door.PREFIX}{project.name}/../x", content=b"{}")
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/json"
    assert list(answer.json()) == ["error"]
