"""The audit's page, its files, and the look at its chain."""

import csv
import json

import pytest
from django.test import Client

from pipelines.audit.models import Act
from pipelines.audit.record import record, seal
from pipelines.probes.models import Kind, Probe
from pipelines.states.status import Status
from runners import probes

pytestmark = pytest.mark.django_db


@pytest.fixture
def acts() -> None:
    record("ada (#1)", "locked", "shop production", reason="printers", level="stop")
    record("bob (#2)", "asked to deploy", "shop release 7", environment="production")
    record("ada (#1)", "=cmd", "ledger production", reason="=1+1")
    seal()


def read(client: Client, path: str) -> bytes:
    answer = client.get(path)
    assert answer.status_code == 200
    return b"".join(answer.streaming_content)  # type: ignore[attr-defined]


def test_acts_stand_newest_first_with_actor_and_reason(operator: Client, acts: None) -> None:
    text = operator.get("/audit/").content.decode()
    assert text.index("ledger production") < text.index("shop release 7") < text.index("shop production")
    assert "printers" in text
    assert "3 acts sealed; the chain has not been looked at yet" in text


def test_acts_are_found_by_subject_person_verb_and_day(operator: Client, acts: None) -> None:
    for query in ("about=release", "actor=bob", "verb=asked+to+deploy"):
        text = operator.get(f"/audit/?{query}").content.decode()
        assert "shop release 7" in text
        assert "printers" not in text
    assert "No act is like that" in operator.get("/audit/?until=2001-01-01").content.decode()
    assert "printers" in operator.get("/audit/?since=not-a-day").content.decode()


def test_the_csv_holds_every_act_and_no_formula(operator: Client, acts: None) -> None:
    rows = list(csv.DictReader(read(operator, "/audit/export.csv").decode().splitlines()))
    assert [row["place"] for row in rows] == ["1", "2", "3"]
    assert rows[2]["verb"] == "'=cmd"
    assert rows[2]["reason"] == "'=1+1"
    assert json.loads(rows[0]["facts"]) == {"level": "stop"}


def test_the_json_holds_what_was_asked_for(operator: Client, acts: None) -> None:
    found = json.loads(read(operator, "/audit/export.json?actor=ada"))
    assert [act["subject"] for act in found] == ["shop production", "ledger production"]
    assert len(found[0]["seal"]) == 64
    assert json.loads(read(operator, "/audit/export.json?actor=nobody")) == []


def test_an_unknown_form_is_not_there(operator: Client) -> None:
    assert operator.get("/audit/export.xml").status_code == 404


def answer() -> None:
    """As a control worker does."""
    probe = Probe.objects.get(kind=Kind.AUDIT, status=Status.QUEUED)
    Probe.objects.filter(pk=probe.pk).update(status=Status.SUCCEEDED, answer=probes.answer(probe))


def test_the_chain_is_verified_by_a_worker_and_the_page_says_how_far(operator: Client, acts: None) -> None:
    assert "looking at the whole chain" in operator.post("/audit/verify/", follow=True).content.decode()
    answer()
    assert "Verified to act 3." in operator.get("/audit/").content.decode()


def test_a_row_that_was_changed_is_named(operator: Client, acts: None) -> None:
    Act.objects.filter(place=2).update(actor="eve (#3)")
    operator.post("/audit/verify/")
    answer()
    text = operator.get("/audit/").content.decode()
    assert "The chain is broken: act 2 (eve (#3) asked to deploy shop release 7" in text
    assert "The acts up to 1 are as they were sealed" in text


def test_operators_alone_read_it(owner: Client) -> None:
    for path in ("/audit/", "/audit/export.csv"):
        assert owner.get(path).status_code == 403
    assert owner.post("/audit/verify/").status_code == 403
