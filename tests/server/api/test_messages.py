"""Who hears of what is said, tried and looked at by programs."""

import json
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from pipelines.audit.models import Act
from pipelines.notifications.models import Delivery, Recipient, Rule
from pipelines.outbox.models import Message
from pipelines.projects.models import Project, Role
from tests.factories import make_person, make_project
from tests.server.api.stand import bearing, token_of

pytestmark = pytest.mark.django_db

SHOP = "/api/v1/projects/shop"
HOOK = "https://hooks.example.org/a-key-that-is-nobody-s-business"


@pytest.fixture
def project() -> Project:
    return make_project("shop")


@pytest.fixture
def maintainer(project: Project) -> Client:
    return bearing(token_of(make_person("ada", project, Role.MAINTAINER)))


def send(client: Client, method: str, path: str, **body: Any) -> Any:
    return client.generic(method, f"{SHOP}/{path}", json.dumps(body), "application/json")


def make_hook(client: Client) -> int:
    made = send(client, "POST", "recipients", kind="webhook", address=HOOK, label="deploy board")
    assert made.status_code == 201, made.json()
    return int(made.json()["id"])


def test_a_hook_s_secret_is_told_when_it_is_made_and_its_address_never(maintainer: Client) -> None:
    made = send(maintainer, "POST", "recipients", kind="webhook", address=HOOK)
    row = Recipient.objects.get()
    assert made.json()["signing_secret"] == row.signing_secret
    assert made["Cache-Control"] == "no-store"
    renewed = send(maintainer, "POST", f"recipients/{row.pk}/secret").json()["signing_secret"]
    row.refresh_from_db()
    assert renewed == row.signing_secret != made.json()["signing_secret"]
    told = maintainer.get(f"{SHOP}/recipients").content + maintainer.get(f"{SHOP}/recipients/{row.pk}").content
    assert renewed not in told.decode()
    assert "nobody-s-business" not in told.decode() + made.content.decode()


def test_what_is_no_address_is_refused_in_words(maintainer: Client) -> None:
    answer = send(maintainer, "POST", "recipients", kind="slack", address="shop")
    assert answer.status_code == 422
    assert "is no Slack channel" in answer.json()["detail"]
    assert send(maintainer, "POST", "recipients", kind="pigeon", address="shop").status_code == 422


def test_a_rule_is_made_changed_and_taken_away(maintainer: Client) -> None:
    hook = make_hook(maintainer)
    made = send(maintainer, "POST", "rules", recipient=hook, topics=["run.failed"], refs=["main", "release/*"]).json()
    assert made["sentence"] == "hears when main or release/* breaks"
    changed = {"recipient": hook, "topics": ["digest"], "digest_at": "09:00", "time_zone": "Europe/Berlin"}
    told = send(maintainer, "PUT", f"rules/{made['id']}", **changed).json()
    assert (told["digest_at"], told["refs"]) == ("09:00", [])
    assert maintainer.get(f"{SHOP}/rules").json()["items"] == [told]
    assert maintainer.delete(f"{SHOP}/rules/{made['id']}").status_code == 204
    assert not Rule.objects.exists()
    acts = Act.objects.filter(subject__startswith="rule for").order_by("pk")
    assert [act.verb for act in acts] == ["added", "changed", "removed"]


@pytest.mark.parametrize(
    "changed", [{"topics": ["digest", "drift"]}, {"topics": ["digest"]}, {"time_zone": "Mars"}, {"refs": ["a b"]}]
)
def test_a_rule_that_cannot_be_meant_so_is_refused(maintainer: Client, changed: dict[str, Any]) -> None:
    wish = {"recipient": make_hook(maintainer), "topics": ["run.failed"], **changed}
    assert send(maintainer, "POST", "rules", **wish).status_code == 422
    assert not Rule.objects.exists()


def test_a_test_message_is_sent_and_sent_again_under_the_same_id(maintainer: Client) -> None:
    hook = make_hook(maintainer)
    assert send(maintainer, "POST", f"recipients/{hook}/test").status_code == 202
    message = Message.objects.get(target=hook)
    again = f"recipients/{hook}/messages/{message.pk}/again"
    assert send(maintainer, "POST", again).status_code == 409
    Delivery.objects.create(message=message, recipient_id=hook, body='{"a": 1}', http_status=500, answer="no")
    Message.objects.filter(pk=message.pk).update(given_up_at=timezone.now(), error="it answered 500", attempts=3)
    (told,) = maintainer.get(f"{SHOP}/recipients/{hook}/messages").json()["items"]
    assert (told["id"], told["title"], told["tries"], told["error"]) == (
        message.pk,
        "a test message",
        3,
        "it answered 500",
    )
    assert [(one["body"], one["http_status"], one["answer"]) for one in told["deliveries"]] == [('{"a": 1}', 500, "no")]
    assert send(maintainer, "POST", again).status_code == 202
    (told,) = maintainer.get(f"{SHOP}/recipients/{hook}/messages").json()["items"]
    assert (told["given_up_at"], told["tries"]) == (None, 0)


def test_messages_come_in_portions(maintainer: Client) -> None:
    hook = make_hook(maintainer)
    for _ in range(3):
        send(maintainer, "POST", f"recipients/{hook}/test")
    first = maintainer.get(f"{SHOP}/recipients/{hook}/messages?limit=2").json()
    rest = maintainer.get(f"{SHOP}/recipients/{hook}/messages?limit=2&cursor={first['next']}").json()
    found = [one["id"] for one in first["items"] + rest["items"]]
    assert (found, rest["next"]) == (sorted(found, reverse=True), None)
    assert len(found) == 3


def test_a_recipient_of_another_project_is_out_of_reach(maintainer: Client, operator: Client) -> None:
    make_project("other")
    body = json.dumps({"kind": "slack", "address": "#other"})
    foreign = operator.post("/api/v1/projects/other/recipients", body, "application/json").json()["id"]
    assert maintainer.get(f"{SHOP}/recipients/{foreign}").status_code == 404
    assert send(maintainer, "POST", "rules", recipient=foreign, topics=["drift"]).status_code == 422
