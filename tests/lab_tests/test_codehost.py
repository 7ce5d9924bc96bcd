"""The lab's code host and chat: real commits, deliveries signed as GitHub signs, answers kept."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from tests.lab.codehost import CodeHost, code_host
from tests.lab.payloads import ZERO, ping, pull_request
from tests.lab.slack import slack
from tests.lab.stand_in import Answer, Asked, serve
from tests.lab.webhooks import Webhook, sign


@pytest.fixture
def host() -> Iterator[CodeHost]:
    with code_host() as running:
        yield running


def test_the_signature_is_the_one_of_githubs_documentation() -> None:
    expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert sign("It's a Secret to Everybody", b"Hello, World!") == expected


def test_a_push_makes_a_real_commit_and_sends_a_signed_webhook(host: CodeHost) -> None:
    asked: list[Asked] = []
    with serve(lambda request: asked.append(request) or Answer(202)) as url:  # type: ignore[func-returns-value]
        shop = host.create("acme/shop", Webhook(f"{url}/hooks/github/shop", "s3cret"))
        first = shop.push({"a.txt": "1"}, "First")
        second = shop.push({"a.txt": None, "b/c.txt": "2"}, "Second")
    assert first.before == ZERO
    assert second.before == first.after
    assert shop.head("refs/heads/main") == second.after
    body = asked[1].json()
    assert (body["before"], body["after"]) == (first.after, second.after)
    assert body["head_commit"]["id"] == second.after
    assert body["repository"]["id"] == shop.origin.id
    assert asked[1].headers["X-Hub-Signature-256"] == sign("s3cret", asked[1].body)
    assert asked[1].headers["X-GitHub-Delivery"] != asked[0].headers["X-GitHub-Delivery"]


def test_refs_are_tagged_branched_forced_and_deleted(host: CodeHost) -> None:
    shop = host.create("acme/shop")
    first, second = shop.push({"a": "1"}, "First"), shop.push({"a": "2"}, "Second")
    side = shop.push({"b": "1"}, "Side", branch="feature/x")
    assert shop.tag("v1", first.after).ref == "refs/tags/v1"
    assert shop.move("main", first.after).before == second.after
    assert shop.delete("refs/heads/feature/x").before == side.after
    shop.forget_unreachable()
    assert shop.head("refs/heads/feature/x") == ZERO
    assert shop.head("refs/tags/v1") == first.after


def test_a_pull_request_from_a_fork_names_another_head_repository(host: CodeHost) -> None:
    base, fork = host.create("acme/shop").origin, host.create("mallory/shop").origin
    request = pull_request(base, "evil", "a" * 40, "b" * 40, head=fork)["pull_request"]
    assert request["head"]["repo"]["id"] != request["base"]["repo"]["id"]
    assert ping(base)["zen"]


def test_commit_statuses_are_kept_and_nonsense_is_refused(host: CodeHost) -> None:
    host.create("acme/shop")
    sha = "c" * 40
    assert post(f"{host.url}/repos/acme/shop/statuses/{sha}", {"state": "pending"}) == 201
    assert post(f"{host.url}/repos/acme/shop/statuses/{sha}", {"state": "great"}) == 422
    assert post(f"{host.url}/repos/acme/other/statuses/{sha}", {"state": "success"}) == 404
    assert host.states(sha) == ["pending"]


def test_slacks_own_client_is_understood() -> None:
    with slack() as workspace:
        client = WebClient(workspace.token, base_url=f"{workspace.url}/api/")
        assert client.auth_test()["bot_id"] == "B1"
        ts = client.chat_postMessage(channel="C1", text="Deploy 4 failed on web-2")["ts"]
        client.chat_update(channel="C1", ts=str(ts), text="Deploy 4 was rolled back")
        assert workspace.texts == ["Deploy 4 was rolled back"]
        with pytest.raises(SlackApiError, match="invalid_auth"):
            WebClient("xoxb-wrong", base_url=f"{workspace.url}/api/").auth_test()


def post(url: str, value: dict[str, str]) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, json.dumps(value).encode())) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code
