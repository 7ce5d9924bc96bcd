"""Forms for where hosts are listed and how they are entered."""

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from pipelines.deploys import credentials
from pipelines.deploys.models import Credential
from server.admin import bastions, inventories

TAGS = {"tags": {"env": "prod"}}


@pytest.mark.parametrize(
    ("kind", "inventory", "said"),
    [
        ("static", {"hosts": [{"address": "a", "grup": "b"}]}, "“grup”"),
        ("aws", {"region": "eu-west-1", **TAGS, "grouptag": "x"}, "group_tag"),
        ("gcp", {"labels": {"env": "prod"}}, "needs a “project”"),
        ("gcp", {"project": "shop"}, "every machine would match"),
        ("gcp", {"project": "shop", **TAGS}, "has no “tags”; known are address"),
        ("azure", TAGS, "needs a “subscription”"),
        ("azure", {"subscription": "1", "tags": {}}, "every machine would match"),
        ("azure", {"subscription": "1", **TAGS, "address": "both"}, "private or public"),
        ("ansible", {}, "either a “file” or a “program”"),
        ("ansible", {"file": "a", "program": "b"}, "either a “file” or a “program”"),
        ("ansible", {"program": "../etc/passwd"}, "without any path"),
        ("ansible", {"program": "hosts", "groups": [7]}, "list of groups' names"),
    ],
)
def test_a_wrong_inventory_is_explained(kind: str, inventory: Any, said: str) -> None:
    assert any(said in problem for problem in inventories.problems(kind, inventory))


@pytest.mark.parametrize("kind", list(inventories.EXAMPLES))
def test_every_example_passes_its_own_check(kind: str) -> None:
    assert inventories.problems(kind, json.loads(inventories.EXAMPLES[kind])) == []  # type: ignore[index]


@pytest.mark.parametrize(
    ("kind", "secret"), [("aws", "hunter2"), ("gcp", "hunter2"), ("gcp", "[]"), ("azure", "tenant:hunter2")]
)
def test_credentials_in_another_form_are_refused_and_never_repeated(kind: str, secret: str) -> None:
    said = inventories.credential_problems(kind, {}, secret)
    assert len(said) == 1
    assert secret not in said[0]


def test_another_endpoint_needs_credentials_of_its_own() -> None:
    assert inventories.credential_problems("gcp", {"endpoint_url": "https://a"}, "")
    assert inventories.credential_problems("azure", {"authority_url": "https://a"}, "")
    assert inventories.credential_problems("azure", {}, "") == []


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"bastion_address": "gate.example.org:22"}, "bastion_address"),
        ({"bastion_address": "-oProxyCommand=x"}, "bastion_address"),
        ({"bastion_user": "jump"}, "bastion_user"),
        ({"bastion_credential": object()}, "bastion_credential"),
        ({"ssh_user": "-l root"}, "ssh_user"),
        ({"bastion_address": "10.0.0.1", "bastion_user": "a b"}, "bastion_user"),
    ],
)
def test_a_wrong_way_to_the_hosts_is_named_at_its_field(given: dict[str, Any], field: str) -> None:
    assert [found for found, _ in bastions.problems(given)] == [field]


@pytest.mark.parametrize("address", ["", "gate", "gate.example.org", "10.0.0.1", "::1"])
def test_a_right_way_to_the_hosts_passes(address: str) -> None:
    user = "jump" if address else ""
    assert list(bastions.problems({"bastion_address": address, "bastion_user": user, "ssh_user": "deploy"})) == []


@pytest.mark.django_db
def test_an_agents_credential_keeps_no_private_key(operator: Client) -> None:
    public = credentials.generate("laptop").public
    add(operator, name="agent", kind="agent", private_key="", public_key=f"{public}\n")
    made = Credential.objects.get()
    assert (made.kind, made.private_key, made.public_key) == ("agent", "", public)


@pytest.mark.django_db
def test_an_agents_credential_may_leave_the_choice_of_the_key_to_the_agent(operator: Client) -> None:
    add(operator, name="agent", kind="agent", private_key="", public_key="")
    assert Credential.objects.get().public_key == ""


@pytest.mark.django_db
def test_what_is_no_public_key_is_refused(operator: Client) -> None:
    text = add(operator, name="agent", kind="agent", private_key="", public_key="ssh-ed25519 nonsense")
    assert "This is not a public key" in text
    assert not Credential.objects.exists()


@pytest.mark.django_db
def test_a_private_key_for_an_agent_is_refused_and_not_stored(operator: Client) -> None:
    text = add(operator, name="agent", kind="agent", private_key=credentials.generate("x").private, public_key="")
    assert "An agent keeps its keys itself" in text
    assert not Credential.objects.exists()


@pytest.mark.django_db
def test_a_kept_key_shows_its_own_public_line_whatever_is_typed_there(operator: Client) -> None:
    pair = credentials.generate("web")
    add(operator, name="web", kind="key", private_key=pair.private, public_key="ssh-ed25519 AAAA other")
    assert Credential.objects.get().public_key.split()[:2] == pair.public.split()[:2]


@pytest.mark.django_db
def test_a_kept_key_that_becomes_an_agents_is_forgotten(operator: Client) -> None:
    add(operator, name="web", kind="key", private_key="", public_key="")
    made = Credential.objects.get()
    address = reverse("admin:deploys_credential_change", args=[made.pk])
    operator.post(address, {"name": "web", "kind": "agent", "private_key": "", "public_key": made.public_key})
    made.refresh_from_db()
    assert (made.kind, made.private_key) == ("agent", "")


def add(operator: Client, **fields: str) -> str:
    return operator.post(reverse("admin:deploys_credential_add"), fields, follow=True).content.decode()
