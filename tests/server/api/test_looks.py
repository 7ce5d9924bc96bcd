"""What takes a worker's look: hosts and their keys, the chain of the audit; and what else the pages do."""

import csv
import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from pipelines.audit.models import Act
from pipelines.deploys.models import Environment, HostKey
from pipelines.probes import lifecycle
from pipelines.probes.models import Kind, Probe
from pipelines.projects.models import Project
from tests.factories import finish_stage, make_environment, make_project, make_red_run, make_run
from tests.pipelines.reports.reporting import cases, make_tested_run
from tests.server.api.test_answers import AT_MOST

pytestmark = pytest.mark.django_db


@pytest.fixture
def production() -> Environment:
    return make_environment(make_project("shop"))


def scanned(place: Environment, *fingerprints: str) -> Probe:
    keys = [
        {
            "address": f"10.0.0.{number}",
            "port": 22,
            "key_type": "ssh-ed25519",
            "public_key": "AAAA",
            "fingerprint": one,
            "known": "new",
        }
        for number, one in enumerate(fingerprints, 1)
    ]
    probe = lifecycle.claim(lifecycle.ask(Kind.HOST_KEYS, place.pk, "ada (#1)").pk, "worker")
    lifecycle.answer(probe, {"keys": keys, "unreachable": [], "behind_bastion": ""})
    return probe


def post(client: Client, path: str, **body: Any) -> Any:
    return client.post(f"/api/v1/{path}", json.dumps(body), "application/json")


HOSTS = "projects/shop/environments/production/hosts"


def test_a_look_is_asked_for_once_and_fetched_when_it_is_there(operator: Client, production: Environment) -> None:
    assert operator.get(f"/api/v1/{HOSTS}/looks/host_keys").status_code == 404
    asked = [post(operator, f"{HOSTS}/looks/host_keys") for _ in range(2)]
    assert [one.status_code for one in asked] == [202, 202]
    assert asked[0].json()["id"] == asked[1].json()["id"]
    scanned(production, "SHA256:1")
    told = operator.get(f"/api/v1/{HOSTS}/looks/host_keys").json()
    assert (told["status"], told["answer"]["keys"][0]["fingerprint"]) == ("succeeded", "SHA256:1")


def test_what_is_no_look_at_hosts_is_none(operator: Client, production: Environment) -> None:
    assert post(operator, f"{HOSTS}/looks/clone_url").status_code == 422


def test_the_keys_that_were_chosen_are_trusted_and_no_others(operator: Client, production: Environment) -> None:
    scan = scanned(production, "SHA256:1", "SHA256:2")
    chosen = ["10.0.0.2:22 SHA256:2", "10.0.0.1:22 SHA256:evil"]
    told = post(operator, f"{HOSTS}/keys", scan=scan.pk, keys=chosen).json()["items"]
    assert [(one["address"], one["fingerprint"]) for one in told] == [("10.0.0.2", "SHA256:2")]
    assert told == operator.get(f"/api/v1/{HOSTS}/keys").json()["items"]
    assert Act.objects.get(verb="approved a host key").facts["fingerprint"] == "SHA256:2"


def test_a_scan_that_is_not_the_newest_or_of_elsewhere_is_refused(operator: Client, production: Environment) -> None:
    former = scanned(production, "SHA256:evil")
    scanned(production, "SHA256:1")
    elsewhere = scanned(make_environment(production.project, "staging"), "SHA256:1")
    answers = [
        post(operator, f"{HOSTS}/keys", scan=scan.pk, keys=["10.0.0.1:22 SHA256:evil"]) for scan in (former, elsewhere)
    ]
    assert [answer.status_code for answer in answers] == [409, 404]
    assert "scan again" in answers[0].json()["detail"]
    assert not HostKey.objects.exists()


def test_the_audit_is_had_as_a_file(operator: Client) -> None:
    assert post(operator, "audit/verification").status_code == 202
    Act.objects.create(actor="ada (#1)", verb="locked", subject="shop production", reason="=1+1")
    rows = csv.DictReader(b"".join(operator.get("/api/v1/audit/export.csv?actor=ada")).decode().splitlines())
    assert [row["reason"] for row in rows] == ["'=1+1"]
    found = json.loads(b"".join(operator.get("/api/v1/audit/export.json?verb=locked")))
    assert [act["subject"] for act in found] == ["shop production"]


def test_the_chain_s_look_says_what_it_found(operator: Client) -> None:
    assert operator.get("/api/v1/audit/verification").status_code == 404
    asked = post(operator, "audit/verification").json()
    lifecycle.answer(lifecycle.claim(asked["id"], "worker"), {"held": 3, "fault": ""})
    assert operator.get("/api/v1/audit/verification").json()["answer"] == {"held": 3, "fault": ""}


def test_an_event_is_run_again(operator: Client) -> None:
    run = make_red_run(make_project("shop"))
    answer = post(operator, f"projects/shop/events/{run.events.get().pk}/replay")
    assert answer.status_code == 201
    assert (answer.json()["number"], answer.json()["sha"]) == (run.number + 1, run.sha)


def test_of_a_run_under_way_no_event_is_replayed(operator: Client) -> None:
    run = make_run(make_project("shop"))
    answer = post(operator, f"projects/shop/events/{run.events.get().pk}/replay")
    assert answer.status_code == 409


def make_tests(*, runs: int) -> Project:
    project = make_project(f"shop-{runs}")
    for _ in range(runs):
        make_tested_run(project, cases(["cart::adds", "cart::removes"], ["pay::refuses"]))
    return project


def test_the_tests_of_a_project_are_listed_and_found(operator: Client) -> None:
    address = f"/api/v1/projects/{make_tests(runs=1).name}/tests"
    first = operator.get(f"{address}?limit=2").json()
    second = operator.get(f"{address}?limit=2&cursor={first['next']}").json()
    assert [one["name"] for one in first["items"] + second["items"]] == ["adds", "refuses", "removes"]
    assert second["next"] is None
    assert [one["name"] for one in operator.get(f"{address}?q=cart").json()["items"]] == ["adds", "removes"]
    assert [one["name"] for one in operator.get(f"{address}?show=failing").json()["items"]] == ["refuses"]


def test_one_test_tells_what_became_of_it_in_as_many_questions_whatever_its_past(operator: Client) -> None:
    counted = []
    for runs in (1, 4):
        project = make_tests(runs=runs)
        key = project.test_cases.get(name="refuses").key
        address = f"/api/v1/projects/{project.name}/tests/{key}"
        operator.get(address)
        with CaptureQueriesContext(connection) as queries:
            told = operator.get(address).json()
        counted.append(len(queries))
        assert [one["outcome"] for one in told["past"]] == ["failed"] * runs
        assert [one["message"] for one in told["failures"]] == ["refuses said no"] * runs
    assert counted[1] <= counted[0] <= AT_MOST


def test_what_stands_in_a_log_is_found_line_by_line(operator: Client) -> None:
    text = b"one\n\x1b[31mTwo fails\x1b[0m\nthree\nfour fails\nfive FAILS\n"
    log = finish_stage(make_run(make_project("shop")), text=text).log_id
    address = f"/api/v1/logs/{log}/find?q=fails&limit=2"
    first = operator.get(address).json()
    assert first["items"] == [{"number": 2, "text": "Two fails"}, {"number": 4, "text": "four fails"}]
    second = operator.get(f"{address}&cursor={first['next']}").json()
    assert second == {"items": [{"number": 5, "text": "five FAILS"}], "next": None}
    assert operator.get(f"/api/v1/logs/{log}/find").status_code == 422
