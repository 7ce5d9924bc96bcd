"""Which machines a deploy that replaces may start: like those that serve, and only where the environment says so."""

from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.deploys import admission, lifecycle
from pipelines.deploys.models import Deploy, Environment, HostKeyPolicy
from pipelines.deploys.waits import SetAside
from runners.clouds.inventory import NoHosts
from runners.hosts import replacing
from runners.hosts.replacing import NotBooted, NotChosenHere, mark_of, power_of
from tests import factories
from tests.lab.cloud import ACCESS_KEY, SECRET_KEY, Cloud, cloud

pytestmark = pytest.mark.django_db

REPLACE = {"kind": "replace", "waves": ["rest"], "parallel": 10, "max_failures": 0}


@pytest.fixture
def api() -> Iterator[Cloud]:
    """Nothing runs there but a machine of somebody else."""
    with cloud("127.0.79.0/24") as running:
        running.start("127.0.79.9", {"Name": "billing", "env": "billing"})
        yield running


def place(api: Cloud, strategy: dict[str, Any] | None) -> Environment:
    return factories.make_environment(
        inventory_kind="aws",
        inventory={"region": api.region, "tags": {"env": "prod"}, "endpoint_url": api.url},
        inventory_secret=f"{ACCESS_KEY}:{SECRET_KEY}",
        host_key_policy=HostKeyPolicy.FIRST_USE,
        strategy=strategy,
    )


def claimed(environment: Environment) -> Deploy:
    return lifecycle.claim_deploy(factories.make_deploy(environment).pk, factories.OWNER).deploy


def choose(deploy: Deploy) -> None:
    plan: Any = SimpleNamespace(deploy=deploy)
    stops: Any = None
    replacing.choose(plan, lambda line: None, stops)


def ids(api: Cloud) -> list[str]:
    found = api.client.describe_instances()["Reservations"]
    all_of_them = [one for group in found for one in group["Instances"]]
    return [one["InstanceId"] for one in all_of_them if one["State"]["Name"] in ("pending", "running")]


def test_where_only_machines_of_the_deploy_itself_are_left_none_is_started_and_none_ended(api: Cloud) -> None:
    deploy = claimed(place(api, REPLACE))
    api.start("127.0.79.10", {"Name": "web-1-d1", "env": "prod", "slipway:deploy": mark_of(deploy)})
    before = ids(api)
    with pytest.raises(NoHosts, match="that new ones could be like"):
        choose(deploy)
    assert ids(api) == before


def test_a_deploy_takes_no_machine_for_its_own_that_one_with_its_key_has_started(api: Cloud, settings: Any) -> None:
    deploy = claimed(place(api, REPLACE))
    api.start("127.0.79.10", {"Name": "web-1", "env": "prod", "slipway:deploy": mark_of(deploy)})
    assert [one.name for one in power_of(deploy).started()] == ["web-1"]
    made_at = deploy.created_at
    deploy.created_at += timedelta(milliseconds=1)  # a backup came back, and this is the next deploy
    assert power_of(deploy).started() == ()
    deploy.created_at, settings.SLIPWAY_SERVER_ID = made_at, "another"
    assert power_of(deploy).started() == ()


def test_a_new_machine_that_is_not_let_in_is_ended_and_what_it_is_like_is_not(
    api: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy = claimed(place(api, REPLACE))
    api.start("127.0.79.10", {"Name": "web-1", "env": "prod"})
    before, seen = ids(api), list[int]()

    def refuse(*_: object) -> None:
        seen.append(len(ids(api)))
        raise NotBooted("nobody lets us in")

    monkeypatch.setattr(replacing, "_await_boot", refuse)
    with pytest.raises(NotBooted):
        choose(deploy)
    assert (seen, ids(api)) == ([3], before)


def test_hosts_that_people_are_asked_about_leave_no_machine_that_was_started_before(
    api: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy = claimed(place(api, REPLACE))
    old = api.start("127.0.79.10", {"Name": "web-1", "env": "prod"})
    before = ids(api)
    power_of(deploy).start([old], lambda: None)

    def ask(*_: object) -> None:
        raise SetAside("are these all?")

    monkeypatch.setattr(admission, "admit", ask)
    with pytest.raises(SetAside):
        choose(deploy)
    assert ids(api) == before


def test_a_repository_alone_starts_and_ends_no_machines(api: Cloud) -> None:
    environment = place(api, None)
    api.start("127.0.79.10", {"Name": "web-1", "env": "prod"})
    before, deploy = ids(api), claimed(environment)
    deploy.release.deploy_spec["strategy"] = REPLACE
    assert replacing.applies(deploy)
    with pytest.raises(NotChosenHere, match="whose own strategy does not say so"):
        choose(deploy)
    assert ids(api) == before
