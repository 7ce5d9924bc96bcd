"""The keys that hosts are known by."""

import pytest

from pipelines.audit.models import Act
from pipelines.deploys.hostkeys import by_place, pin_first
from pipelines.deploys.models import Environment
from tests.factories import make_environment

pytestmark = pytest.mark.django_db


@pytest.fixture
def environment() -> Environment:
    return make_environment()


def pin(environment: Environment, key: str, key_type: str = "ssh-ed25519", port: int = 22) -> str:
    return pin_first(environment, "10.0.0.9", port, key_type, key, f"SHA256:{key}").public_key


def test_the_first_key_is_pinned_and_audited(environment: Environment) -> None:
    assert pin(environment, "first") == "first"
    assert [key.public_key for key in by_place(environment)["10.0.0.9", 22]] == ["first"]
    assert Act.objects.get(verb="pinned a host's first key").facts["fingerprint"] == "SHA256:first"


@pytest.mark.parametrize("key_type", ["ssh-ed25519", "ecdsa-sha2-nistp256"])
def test_a_second_key_never_takes_the_place_of_the_first_nor_stands_beside_it(
    environment: Environment, key_type: str
) -> None:
    pin(environment, "first")
    assert pin(environment, "second", key_type) == "first"
    assert [key.public_key for key in by_place(environment)["10.0.0.9", 22]] == ["first"]
    assert Act.objects.filter(verb="pinned a host's first key").count() == 1


def test_each_port_of_an_address_has_its_own_first_key(environment: Environment) -> None:
    assert pin(environment, "first") == "first"
    assert pin(environment, "other", port=2222) == "other"
