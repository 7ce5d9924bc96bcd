"""Questions that the page asks and a worker answers."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from pipelines.audit.models import Act
from pipelines.deploys.models import Environment, HostKey
from pipelines.errors import UserError
from pipelines.probes import lifecycle
from pipelines.probes.models import Kind, Probe
from pipelines.projects.models import Project
from tests.factories import make_environment, make_host_key

pytestmark = pytest.mark.django_db


@pytest.fixture
def production(project: Project) -> Environment:
    return make_environment(project)


def address(environment: Environment, name: str = "hosts") -> str:
    return reverse(name, args=[environment.project.name, environment.name])


def key(number: int, known: str) -> dict[str, Any]:
    return {
        "address": f"10.0.0.{number}",
        "port": 22,
        "key_type": "ssh-ed25519",
        "public_key": f"AAAA{number}",
        "fingerprint": f"SHA256:{number}",
        "known": known,
    }


def box(number: int) -> str:
    """What the page sends for the key of that host."""
    return f"10.0.0.{number}:22 SHA256:{number}"


def answered(environment: Environment, kind: Kind, answer: Any) -> Probe:
    probe = lifecycle.claim(lifecycle.ask(kind, environment.pk, "ada (#1)").pk, "worker")
    lifecycle.answer(probe, answer)
    return probe


def test_looking_asks_a_worker_and_the_page_waits(maintainer: Client, production: Environment) -> None:
    text = maintainer.post(address(production, "hosts-ask"), {"kind": "inventory"}, follow=True).content.decode()
    assert Probe.objects.get().kind == Kind.INVENTORY
    assert "asking the inventory" in text
    assert 'data-every="1"' in text


def test_the_answer_lists_the_hosts_and_the_page_rests(maintainer: Client, production: Environment) -> None:
    answered(production, Kind.INVENTORY, {"hosts": [{"name": "web-9", "address": "10.0.0.9", "external_id": "i-9"}]})
    text = maintainer.get(address(production)).content.decode()
    assert "web-9" in text
    assert "i-9" in text
    assert "every 1s" not in text


def test_what_went_wrong_is_said(maintainer: Client, production: Environment) -> None:
    probe = lifecycle.claim(lifecycle.ask(Kind.INVENTORY, production.pk, "ada").pk, "worker")
    lifecycle.refuse(probe, UserError("the cloud says no: bad key"))
    assert "the cloud says no: bad key" in maintainer.get(address(production)).content.decode()


def test_another_kind_of_question_is_not_asked_from_here(maintainer: Client, production: Environment) -> None:
    assert maintainer.post(address(production, "hosts-ask"), {"kind": "clone_url"}).status_code == 404


def test_approving_pins_the_chosen_keys_and_is_audited(maintainer: Client, production: Environment) -> None:
    scan = answered(production, Kind.HOST_KEYS, {"keys": [key(1, "new"), key(2, "new")], "unreachable": []})
    maintainer.post(address(production, "hosts-approve"), {"probe": scan.pk, "key": [box(1)]})
    assert [pinned.address for pinned in HostKey.objects.all()] == ["10.0.0.1"]
    assert Act.objects.get(verb="approved a host key").facts["fingerprint"] == "SHA256:1"


def test_a_scan_that_is_no_longer_the_newest_approves_nothing(maintainer: Client, production: Environment) -> None:
    former = answered(production, Kind.HOST_KEYS, {"keys": [{**key(1, "new"), "fingerprint": "SHA256:evil"}]})
    newest = answered(production, Kind.HOST_KEYS, {"keys": [key(1, "new")], "unreachable": []})
    maintainer.post(address(production, "hosts-approve"), {"probe": newest.pk, "key": [box(1)]})
    evil = {"probe": former.pk, "key": ["10.0.0.1:22 SHA256:evil"]}
    text = maintainer.post(address(production, "hosts-approve"), evil, follow=True).content.decode()
    assert "Nothing was approved" in text
    assert [pinned.fingerprint for pinned in HostKey.objects.all()] == ["SHA256:1"]


def test_a_scan_of_a_while_ago_approves_nothing(maintainer: Client, production: Environment) -> None:
    scan = answered(production, Kind.HOST_KEYS, {"keys": [key(1, "new")], "unreachable": []})
    Probe.objects.update(finished_at=timezone.now() - timedelta(minutes=16))
    maintainer.post(address(production, "hosts-approve"), {"probe": scan.pk, "key": [box(1)]})
    assert not HostKey.objects.exists()


def test_hosts_that_show_the_same_key_are_approved_each_for_itself(maintainer: Client, production: Environment) -> None:
    clones = [{**key(1, "new"), "address": f"10.0.0.{number}"} for number in (1, 2, 3)]
    scan = answered(production, Kind.HOST_KEYS, {"keys": clones, "unreachable": []})
    page = maintainer.get(address(production)).content.decode()
    boxes = [f"10.0.0.{number}:22 SHA256:1" for number in (1, 2, 3)]
    assert all(f'value="{one}"' in page for one in boxes)
    text = maintainer.post(address(production, "hosts-approve"), {"probe": scan.pk, "key": boxes[:2]}, follow=True)
    assert "Approved: 2 of 3 keys." in text.content.decode()
    assert [pinned.address for pinned in HostKey.objects.order_by("address")] == ["10.0.0.1", "10.0.0.2"]


def test_a_changed_key_is_never_chosen_by_itself_and_replaces_the_old_one(
    maintainer: Client, production: Environment
) -> None:
    make_host_key(production, "10.0.0.1")
    scan = answered(production, Kind.HOST_KEYS, {"keys": [key(1, "changed")], "unreachable": []})
    page = maintainer.get(address(production)).content.decode()
    assert f'value="{box(1)}"' in page
    assert "checked" not in page.partition("</main>")[0]
    maintainer.post(address(production, "hosts-approve"), {"probe": scan.pk, "key": [box(1)]})
    assert [pinned.fingerprint for pinned in HostKey.objects.all()] == ["SHA256:1"]


def test_a_key_that_no_scan_has_seen_cannot_be_approved(maintainer: Client, production: Environment) -> None:
    scan = answered(production, Kind.HOST_KEYS, {"keys": [key(1, "new")], "unreachable": []})
    maintainer.post(
        address(production, "hosts-approve"),
        {"probe": scan.pk, "key": ["10.0.0.1:22 SHA256:evil", "10.0.0.9:22 SHA256:1", "SHA256:1"]},
    )
    assert not HostKey.objects.exists()


def test_a_scan_of_another_environment_approves_nothing_here(
    maintainer: Client, production: Environment, project: Project
) -> None:
    other = make_environment(project, "staging")
    scan = answered(other, Kind.HOST_KEYS, {"keys": [key(1, "new")], "unreachable": []})
    response = maintainer.post(address(production, "hosts-approve"), {"probe": scan.pk, "key": [box(1)]})
    assert response.status_code == 404
    assert not HostKey.objects.exists()


def test_what_has_changed_and_a_drop_are_said_before_the_list(maintainer: Client, production: Environment) -> None:
    changes = [
        {"name": "web-1", "what": "moved", "before": "10.0.0.7"},
        {"name": "web-8", "what": "gone", "before": "10.0.0.8"},
        {"name": "web-9", "what": "new", "before": ""},
        {"name": "web-2", "what": "regrouped", "before": "blue"},
    ]
    listed = [{"name": "web-9", "address": "10.0.0.9", "external_id": "", "port": 2222, "group": "green"}]
    answer = {"hosts": listed, "changes": changes, "known": 9, "missing": 8, "before": 9, "asks": True}
    answered(production, Kind.INVENTORY, answer)
    text = maintainer.get(address(production)).content.decode()
    assert "8 of the 9 hosts of before are not listed" in text
    assert "has moved, it was at" in text
    assert "is gone, it was at" in text
    assert "is in another group, it was in blue" in text
    assert "10.0.0.9:2222" in text
    assert "green" in text


def test_a_changed_key_is_told_loudly_and_apart_from_a_new_one(maintainer: Client, production: Environment) -> None:
    keys = [key(1, "changed"), key(2, "new"), {**key(3, "changed"), "is_bastion": True}]
    answered(production, Kind.HOST_KEYS, {"keys": keys, "unreachable": [], "behind_bastion": "Approve it first."})
    text = maintainer.get(address(production)).content.decode()
    assert "2 keys have CHANGED: 10.0.0.1:22, the bastion 10.0.0.3:22." in text
    assert "1 key is new" in text
    assert "Approve it first." in text
    assert 'role="alert"' in text


def test_a_trial_shows_of_each_host_how_far_it_came(maintainer: Client, production: Environment) -> None:
    maintainer.post(address(production, "hosts-ask"), {"kind": "connection"})
    assert Probe.objects.get().kind == Kind.CONNECTION
    Probe.objects.all().delete()
    hosts = [
        {"name": "web-1", "address": "deploy@10.0.0.1:22", "came": "ran", "key": "same", "sudo": "yes", "why": ""},
        {"name": "web-2", "address": "deploy@10.0.0.2:22", "came": "known", "key": "same", "sudo": "", "why": "no"},
        {"name": "web-3", "address": "deploy@10.0.0.3:22", "came": "", "key": "", "sudo": "", "why": "no route"},
    ]
    answered(production, Kind.CONNECTION, {"bastion": "the bastion jump@10.0.0.9:22", "hosts": hosts})
    text = maintainer.get(address(production)).content.decode()
    assert "through the bastion jump@10.0.0.9:22: 1 of 3 hosts let us in" in text
    assert "without a password" in text
    assert "refused" in text
    assert "no route" in text
