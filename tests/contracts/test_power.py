"""Machines that replace others, tried on a real EC2 API."""

from collections.abc import Iterator
from typing import Any

import pytest

from runners.clouds.inventory import BadInventory, InventoryFailed, InventoryRefused
from runners.clouds.power import Ec2Power, NotOurs, open_power
from tests.lab.cloud import ACCESS_KEY, REGION, SECRET_KEY, Cloud, cloud
from tests.lab.sshd import free_port

SECRET = f"{ACCESS_KEY}:{SECRET_KEY}"


@pytest.fixture
def api() -> Iterator[Cloud]:
    with cloud("127.0.78.0/24") as running:
        yield running


def power(api: Cloud, mark: str = "57", **settings: Any) -> Ec2Power:
    inventory = {"region": REGION, "tags": {"env": "prod"}, "endpoint_url": api.url, **settings}
    return open_power("aws", inventory, SECRET, mark, 12)


def on_and_on() -> None:
    """Nobody stops it."""


def instance(api: Cloud, number: str) -> Any:
    return api.client.describe_instances(InstanceIds=[number])["Reservations"][0]["Instances"][0]


def tags(api: Cloud, number: str) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in instance(api, number)["Tags"]}


def test_a_machine_is_started_like_the_one_that_it_replaces(api: Cloud) -> None:
    old = api.start("127.0.78.10", {"Name": "web-1", "env": "prod", "color": "red"})
    (new,) = power(api).start([old], on_and_on)
    was, made = instance(api, old), instance(api, new.external_id)
    assert [made[key] for key in ("ImageId", "InstanceType", "SubnetId")] == [
        was[key] for key in ("ImageId", "InstanceType", "SubnetId")
    ]
    assert new.name == "web-1-d12"
    assert tags(api, new.external_id) | {"Name": "web-1"} == tags(api, old) | {
        "slipway:deploy": "57",
        "slipway:replaces": old,
    } | {"Name": "web-1"}


def test_a_name_does_not_grow_with_every_replacement(api: Cloud) -> None:
    old = api.start("127.0.78.10", {"Name": "web-1-d3", "env": "prod"})
    assert [host.name for host in power(api).start([old], on_and_on)] == ["web-1-d12"]


def test_nobody_to_be_like_starts_nobody(api: Cloud) -> None:
    for number, env in ((10, "prod"), (11, "billing")):
        api.start(f"127.0.78.{number}", {"Name": f"{env}-{number}", "env": env})
    with pytest.raises(ValueError, match="no machine is named"):
        power(api).start([], on_and_on)
    assert power(api).started() == ()


def test_a_worker_that_takes_over_gets_the_machines_that_were_started(api: Cloud) -> None:
    old = [api.start(f"127.0.78.{number}", {"Name": f"web-{number}", "env": "prod"}) for number in (10, 11)]
    first = power(api).start(old[:1], on_and_on)
    both = power(api).start(old, on_and_on)
    assert set(first) < set(both)
    assert len(both) == 2
    assert set(power(api).started()) == set(both)
    assert power(api, mark="58").started() == ()


def test_machines_are_ended_for_good_and_twice_is_no_error(api: Cloud) -> None:
    old = api.start("127.0.78.10", {"Name": "web-1", "env": "prod"})
    (new,) = power(api).start([old], on_and_on)
    for _ in range(2):
        power(api).end([new.external_id])
    assert power(api).started() == ()
    assert instance(api, old)["State"]["Name"] == "running"


def is_running(api: Cloud, *numbers: str) -> bool:
    return all(instance(api, number)["State"]["Name"] == "running" for number in numbers)


def test_only_machines_of_this_deploy_and_those_that_they_replace_can_be_ended(api: Cloud) -> None:
    old, other = (api.start(f"127.0.78.{number}", {"Name": f"web-{number}", "env": "prod"}) for number in (10, 11))
    new, elses = power(api).start([old], on_and_on)[0], power(api, mark="58").start([other], on_and_on)[0]
    for foreign in (other, elses.external_id):
        with pytest.raises(NotOurs, match="neither started by this deploy nor replaced by it"):
            power(api).end([old, foreign])
    assert is_running(api, old, other, new.external_id, elses.external_id)
    assert power(api).replaced() == {old}
    power(api).end([old])
    assert not is_running(api, old)


def test_machines_that_took_the_place_of_others_are_not_ended_once_those_are_gone(api: Cloud) -> None:
    old = api.start("127.0.78.10", {"Name": "web-1", "env": "prod"})
    (new,) = power(api).start([old], on_and_on)
    power(api).end([old])
    with pytest.raises(NotOurs, match="may serve"):
        power(api).end([new.external_id])
    assert is_running(api, new.external_id)


def test_the_new_machines_and_the_old_are_never_ended_together(api: Cloud) -> None:
    old = api.start("127.0.78.10", {"Name": "web-1", "env": "prod"})
    (new,) = power(api).start([old], on_and_on)
    with pytest.raises(NotOurs, match="would be left"):
        power(api).end([old, new.external_id])
    assert is_running(api, old, new.external_id)


@pytest.mark.parametrize("names", [("web-1", "web-1-d3"), ("web-1", "web-1"), ("web-1-d12", "web-2")])
def test_names_that_would_be_taken_twice_are_refused_before_a_machine_is_started(
    api: Cloud, names: tuple[str, str]
) -> None:
    old = [api.start(f"127.0.78.{10 + at}", {"Name": name, "env": "prod"}) for at, name in enumerate(names)]
    with pytest.raises(BadInventory, match="two machines would be called web-1"):
        power(api).start(old, on_and_on)
    assert power(api).started() == ()


def test_a_launch_template_goes_before_the_likeness(api: Cloud) -> None:
    old = api.start("127.0.78.10", {"Name": "web-1", "env": "prod"})
    image = instance(api, old)["ImageId"]
    made = api.client.create_launch_template(
        LaunchTemplateName="web", LaunchTemplateData={"ImageId": image, "InstanceType": "c5.large"}
    )
    template = made["LaunchTemplate"]["LaunchTemplateId"]
    (new,) = power(api, launch_template=template).start([old], on_and_on)
    assert instance(api, new.external_id)["InstanceType"] == "c5.large"


def test_a_machine_that_is_not_there_is_told_as_the_clouds_refusal(api: Cloud) -> None:
    with pytest.raises(InventoryRefused, match="starting machines: the cloud refused"):
        power(api).start(["i-0123456789abcdef0"], on_and_on)


def test_a_cloud_that_does_not_answer_fails_as_a_fault_of_the_machinery() -> None:
    nowhere = f"http://127.0.0.1:{free_port('127.0.0.1')}"
    inventory = {"region": REGION, "tags": {"env": "prod"}, "endpoint_url": nowhere}
    with pytest.raises(InventoryFailed, match="could not be asked"):
        open_power("aws", inventory, SECRET, "57", 12).started()


def test_a_list_of_hosts_starts_no_machines() -> None:
    with pytest.raises(BadInventory, match="only EC2 by tags can"):
        open_power("static", {"hosts": ["10.0.0.1"]}, "", "57", 12)
