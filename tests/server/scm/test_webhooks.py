"""The webhook as a code host meets it."""

import hashlib
import hmac
import json
import uuid
from typing import Any

import pytest
from django.test import Client

from pipelines.projects.models import Project
from pipelines.runs.models import Event, Outcome, Run
from server.scm import deliveries
from tests.factories import make_project
from tests.lab import payloads
from tests.lab.payloads import Movement, Origin
from tests.lab.webhooks import sign

pytestmark = pytest.mark.django_db
SHOP = Origin(7, "acme/shop", "/srv/git/shop.git")
FORK = Origin(8, "mallory/shop", "/srv/git/fork.git")
SHAS = ["a" * 40, "b" * 40, "c" * 40]


@pytest.fixture
def project() -> Project:
    return make_project(webhook_secret="a secret of thirty-two characters", code_host_name="acme/shop")


def push(sha: str = SHAS[1], ref: str = "refs/heads/main", before: str = SHAS[0]) -> dict[str, Any]:
    return payloads.push(SHOP, Movement(ref, before, sha, "Add a lamp"))


def send(
    project: Project, payload: Any, event: str = "push", *, delivery_id: str | None = None, **headers: str
) -> tuple[int, dict[str, Any]]:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    given = {
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery_id or str(uuid.uuid4()),
        "X-Hub-Signature-256": sign(project.webhook_secret, body),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    answer = Client(enforce_csrf_checks=True).post(
        f"/hooks/github/{project.name}",
        body,
        content_type=given.pop("Content-Type", "application/json"),
        headers={name: value for name, value in given.items() if value != "absent"},
    )
    return answer.status_code, answer.json()


def stored() -> tuple[int, int]:
    return Event.objects.count(), Run.objects.count()


def test_a_push_is_stored_and_starts_a_run(project: Project) -> None:
    status, said = send(project, push())
    run = Run.objects.get()
    assert (status, said["outcome"], said["run"]) == (202, "run", run.number)
    assert (run.ref, run.sha, run.title, run.author) == ("refs/heads/main", SHAS[1], "Add a lamp", "Alice")
    event = Event.objects.get(pk=said["event"])
    assert (event.payload or {})["ref"] == "refs/heads/main"
    assert (event.run, event.actor, event.actor_id) == (run, "alice", 4711)


def test_a_delivery_seen_before_answers_200_and_does_nothing(project: Project) -> None:
    first = send(project, push(), delivery_id="same")
    second = send(project, push(), delivery_id="same")
    assert (first[0], second[0]) == (202, 200)
    assert first[1] == second[1]
    assert stored() == (1, 1)


def test_the_same_delivery_id_in_another_project_is_another_delivery(project: Project) -> None:
    send(project, push(), delivery_id="same")
    assert send(make_project(), push(), delivery_id="same")[0] == 202


def test_one_commit_pushed_and_in_a_pull_request_runs_once(project: Project) -> None:
    send(project, push(ref="refs/heads/lamp"))
    status, said = send(project, payloads.pull_request(SHOP, "lamp", SHAS[1], SHAS[0]), "pull_request")
    assert (status, said["outcome"], said["run"]) == (202, "known", 1)
    assert stored() == (2, 1)


def test_the_push_that_comes_after_its_pull_request_is_known(project: Project) -> None:
    send(project, payloads.pull_request(SHOP, "lamp", SHAS[1], SHAS[0]), "pull_request")
    assert send(project, push(ref="refs/heads/lamp"))[1]["outcome"] == "known"


def test_a_branch_pushed_back_to_an_old_commit_runs_again(project: Project) -> None:
    send(project, push(SHAS[1], before=SHAS[0]))
    send(project, push(SHAS[2], before=SHAS[1]))
    said = send(project, push(SHAS[1], before=SHAS[2]))[1]
    assert (said["outcome"], said["run"]) == ("run", 3)


def test_no_number_is_used_up_by_what_starts_nothing(project: Project) -> None:
    send(project, push(SHAS[1]))
    send(project, push(SHAS[1]))
    send(project, payloads.ping(SHOP), "ping")
    assert send(project, push(SHAS[2]))[1]["run"] == 2


def test_a_forks_pull_request_starts_a_run_that_is_held_back(project: Project) -> None:
    payload = payloads.pull_request(SHOP, "lamp", SHAS[1], SHAS[0], head=FORK)
    assert send(project, payload, "pull_request")[1]["outcome"] == Outcome.RUN
    run = Event.objects.get(fork=True).run
    assert run is not None
    assert (run.status, run.trusted, run.ref, run.sha) == ("blocked", False, "refs/pull/1/head", SHAS[1])


def test_a_forks_pull_request_that_is_closed_waits_no_longer(project: Project) -> None:
    send(project, payloads.pull_request(SHOP, "lamp", SHAS[1], SHAS[0], head=FORK), "pull_request")
    closed = payloads.pull_request(SHOP, "lamp", SHAS[1], SHAS[0], head=FORK, action="closed")
    assert send(project, closed, "pull_request")[1]["outcome"] == Outcome.STORED
    assert Run.objects.get().status == "cancelled"


def test_a_push_that_asks_not_to_be_run_is_stored_with_the_reason(project: Project) -> None:
    movement = Movement("refs/heads/main", SHAS[0], SHAS[1], "Mend a typo\n\n[skip ci]")
    assert send(project, payloads.push(SHOP, movement))[1]["outcome"] == Outcome.STORED
    assert Event.objects.get().why == "its commit message says [skip ci]"


@pytest.mark.parametrize(
    ("event", "payload"),
    [
        ("ping", payloads.ping(SHOP)),
        ("delete", payloads.delete(SHOP, "refs/heads/old")),
        ("push", payloads.push(SHOP, Movement("refs/heads/old", SHAS[0], payloads.ZERO))),
        ("pull_request", payloads.pull_request(SHOP, "lamp", SHAS[1], SHAS[0], action="closed")),
        ("star", {"action": "created"}),
        ("workflow_run", {}),
    ],
)
def test_what_starts_nothing_is_stored_with_its_reason(project: Project, event: str, payload: Any) -> None:
    status, said = send(project, payload, event)
    assert (status, said["outcome"], said["run"]) == (202, "stored", None)
    assert Event.objects.get().why


def test_the_payload_may_come_as_a_form(project: Project) -> None:
    body = b"payload=%7B%22zen%22%3A%20%22Practicality%22%7D"
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    assert send(project, body, "ping", **form)[0] == 202
    assert Event.objects.get().payload == {"zen": "Practicality"}


GARBAGE = [
    "absent",
    "",
    "sha256=",
    "sha256=" + "0" * 64,
    "SHA256=" + "0" * 64,
    "sha1=" + "0" * 40,
    "0" * 64,
    "sha256=" + "é" * 64,
    "sha256=" + "0" * 63,
]


@pytest.mark.parametrize("signature", GARBAGE)
def test_a_wrong_signature_is_401_and_stores_nothing(project: Project, signature: str) -> None:
    assert send(project, push(), X_Hub_Signature_256=signature)[0] == 401
    assert stored() == (0, 0)


def test_a_right_signature_in_another_dress_is_wrong(project: Project) -> None:
    body = json.dumps(push()).encode()
    right = sign(project.webhook_secret, body)
    for dressed in (right.upper(), "sha256=" + right[7:].upper(), right + " x", right.removeprefix("sha256=")):
        assert send(project, body, X_Hub_Signature_256=dressed)[0] == 401
    assert stored() == (0, 0)


def test_a_right_sha1_signature_alone_is_not_enough(project: Project) -> None:
    body = json.dumps(push()).encode()
    weak = "sha1=" + hmac.new(project.webhook_secret.encode(), body, hashlib.sha1).hexdigest()
    assert send(project, body, X_Hub_Signature_256="absent", X_Hub_Signature=weak)[0] == 401


def test_another_projects_secret_does_not_sign_for_this_one(project: Project) -> None:
    body = json.dumps(push()).encode()
    other = make_project()
    assert send(project, body, X_Hub_Signature_256=sign(other.webhook_secret, body))[0] == 401


def test_a_project_that_does_not_exist_answers_as_a_wrong_signature_does(project: Project) -> None:
    nobody = Project(name="no-such-project", webhook_secret="s")
    wrong = send(project, push(), X_Hub_Signature_256="sha256=" + "0" * 64)
    assert send(nobody, push()) == wrong
    assert wrong[0] == 401
    assert stored() == (0, 0)


def test_a_project_without_a_secret_takes_nothing() -> None:
    assert send(make_project(webhook_secret=""), push())[0] == 401


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"", {}),
        (b"not json", {}),
        (b"[]", {}),
        (b"null", {}),
        (b"{}", {}),
        (b'{"ref": "refs/heads/main"}', {}),
        (b"[" * 50_000, {}),
        (b"payload=nothing", {"Content_Type": "application/x-www-form-urlencoded"}),
        (b"&" * 50, {"Content_Type": "application/x-www-form-urlencoded"}),
        (json.dumps(push(ref="refs/heads/a b")).encode(), {}),
        (json.dumps(push(sha="main")).encode(), {}),
        (json.dumps(push()).encode(), {"X_GitHub_Event": "absent"}),
        (json.dumps(push()).encode(), {"X_GitHub_Event": "Push!"}),
        (json.dumps(push()).encode(), {"X_GitHub_Delivery": "absent"}),
        (json.dumps(push()).encode(), {"X_GitHub_Delivery": "x" * 101}),
        (json.dumps(push()).encode(), {"X_GitHub_Delivery": "a b"}),
    ],
)
def test_a_signed_delivery_that_is_malformed_is_400_in_one_sentence(
    project: Project, body: bytes, headers: dict[str, str]
) -> None:
    status, said = send(project, body, **headers)
    assert status == 400
    assert said["error"].endswith(".")
    assert "Traceback" not in said["error"]
    assert stored() == (0, 0)


def test_a_body_over_25_mb_is_413(project: Project) -> None:
    assert send(project, b"x" * (deliveries.MAX_BODY + 1))[0] == 413
    assert stored() == (0, 0)


def test_a_body_of_20_mb_is_taken_and_its_outline_kept(project: Project) -> None:
    payload: dict[str, Any] = {**push(), "padding": "x" * 20_000_000}
    assert send(project, payload)[0] == 202
    assert len(json.dumps(Event.objects.get().payload)) < 10_000


@pytest.mark.parametrize("method", ["get", "put", "delete", "patch", "options"])
def test_only_post_is_taken(project: Project, method: str) -> None:
    answer = getattr(Client(), method)(f"/hooks/github/{project.name}")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


def test_several_deliveries_are_stored_together_and_answered_each(project: Project) -> None:
    sent: list[Any] = [push(SHAS[1]), [], push(SHAS[2]), push(SHAS[1])]
    bodies = [json.dumps(payload).encode() for payload in sent]
    given = [
        deliveries.Delivery(project.name, "push", f"d{i}", sign(project.webhook_secret, body), "", body)
        for i, body in enumerate(bodies)
    ]
    assert [answer.status for answer in deliveries.take(given)] == [202, 400, 202, 202]
    assert stored() == (3, 2)
