"""Blue/green in the records."""

from typing import Any

import pytest

from pipelines.deploys import flips, lifecycle
from pipelines.deploys.followups import bring_back
from pipelines.deploys.models import Deploy, DeployKind, Environment, HostDeploy, Release
from pipelines.deploys.plans import Listed
from pipelines.deploys.reads.ways import way_back
from pipelines.deploys.rollbacks import roll_back, strays
from pipelines.states.status import Status
from tests import factories

pytestmark = pytest.mark.django_db

STRATEGY = {"kind": "blue_green", "waves": ["rest"], "parallel": 10, "max_failures": 0}
HOSTS = [Listed(f"{group}-{n}", f"127.0.9.{n + 10 * (group == 'green')}", "", None, group)
         for group in ("blue", "green") for n in (1, 2)]  # fmt: skip


@pytest.fixture
def environment() -> Environment:
    return factories.make_environment(strategy=STRATEGY)


def deploy_to(
    environment: Environment,
    release: Release,
    status: Status = Status.SUCCEEDED,
    turned: str = "done",
    **fields: Any,
) -> Deploy:
    """A deploy as its worker writes it; `turned` is how far it came with the traffic."""
    deploy = factories.make_deploy(environment, release, **fields)
    return finish(deploy, status, turned)


def finish(deploy: Deploy, status: Status = Status.SUCCEEDED, turned: str = "done") -> Deploy:
    claimed = lifecycle.claim_deploy(deploy.pk, "worker-1").deploy
    chosen = list(HOSTS) if not claimed.flips else [host for host in HOSTS if host.group == claimed.group]
    aimed = chosen if claimed.flips else flips.aim(claimed, chosen)
    rows = lifecycle.freeze(claimed, [aimed], None if claimed.flips else HOSTS)
    for row in rows:
        row.deploy = claimed
        lifecycle.start_host(row)
        if not claimed.flips:
            HostDeploy.objects.filter(pk=row.pk).update(switched=True)
            row.switched = True
        lifecycle.finish_host(row, Status.SUCCEEDED)
    if turned:
        flips.note_turning(claimed, turned)
    lifecycle.finish_deploy(claimed, status, "")
    deploy.refresh_from_db()
    deploy.environment.refresh_from_db()
    return deploy


def releases(environment: Environment, count: int = 2) -> list[Release]:
    return [factories.make_release(environment.project) for _ in range(count)]


def test_the_group_with_the_traffic_changes_with_what_is_live(environment: Environment) -> None:
    first, second = releases(environment)
    assert deploy_to(environment, first).environment.live_group == "blue"
    deploy = deploy_to(environment, second)
    assert (deploy.group, deploy.environment.live_group, deploy.environment.current) == ("green", "green", second)


def test_the_way_back_is_a_flip_while_the_other_group_is_intact(environment: Environment) -> None:
    first, second = releases(environment)
    deploy_to(environment, first)
    environment = deploy_to(environment, second).environment
    way = way_back(environment)
    assert way is not None
    assert (way.target, way.flips) == (first, "blue")
    back = finish(roll_back(environment, first, "ada (#1)"))
    assert (back.flips, back.group, back.environment.live_group) == (True, "blue", "blue")
    assert back.environment.current == first
    assert strays(back.environment) == []


@pytest.mark.parametrize("change", [{"healthy": False}, {"drift": [{"what": "files", "detail": "changed"}]}])
def test_a_group_that_is_not_intact_is_deployed_to_again(environment: Environment, change: dict[str, Any]) -> None:
    first, second = releases(environment)
    deploy_to(environment, first)
    environment = deploy_to(environment, second).environment
    environment.hosts.filter(name="blue-2").update(**change)
    way = way_back(environment)
    assert way is not None
    assert way.flips == ""
    assert not roll_back(environment, first, "ada (#1)").flips


def test_an_older_release_than_the_other_groups_is_deployed_again(environment: Environment) -> None:
    first, second, third = releases(environment, 3)
    for release in (first, second, third):
        environment = deploy_to(environment, release).environment
    ways = [way_back(environment, release.number) for release in (second, first)]
    assert [way.flips for way in ways if way] == ["green", ""]


def test_a_deploy_that_failed_before_the_flip_has_nothing_to_undo(environment: Environment) -> None:
    first, second = releases(environment)
    deploy_to(environment, first)
    failed = deploy_to(environment, second, Status.FAILED, turned="")
    assert not Deploy.objects.filter(undoes=failed).exists()
    second.refresh_from_db()
    assert second.quarantined_at
    assert failed.environment.live_group == "blue"
    assert strays(failed.environment) == []


def test_a_deploy_that_failed_after_the_flip_is_undone_by_a_flip(environment: Environment) -> None:
    first, second = releases(environment)
    deploy_to(environment, first)
    failed = deploy_to(environment, second, Status.FAILED, turned="begun")
    back = Deploy.objects.get(undoes=failed)
    assert (back.flips, back.group, back.release) == (True, "blue", first)
    assert [row.host.name for row in strays(failed.environment)] == ["green-1", "green-2"]
    assert finish(back).environment.live_group == "blue"
    assert strays(failed.environment) == []


def test_a_person_brings_a_flipped_deploy_back_by_a_flip(environment: Environment) -> None:
    Environment.objects.filter(pk=environment.pk).update(on_breach="stop")
    environment.refresh_from_db()
    first, second = releases(environment)
    deploy_to(environment, first)
    failed = deploy_to(environment, second, Status.FAILED, turned="done")
    back = bring_back(failed, "ada (#1)")
    assert (back.flips, back.group) == (True, "blue")


def test_a_deploy_in_waves_gives_all_hosts_the_traffic_again(environment: Environment) -> None:
    first, second = releases(environment)
    environment = deploy_to(environment, first).environment
    environment.strategy = None
    environment.save()
    assert deploy_to(environment, second, turned="").environment.live_group == ""


def test_a_repair_turns_no_traffic(environment: Environment) -> None:
    (first,) = releases(environment, 1)
    environment = deploy_to(environment, first).environment
    repair = factories.make_deploy(environment, first, kind=DeployKind.REPAIR, only=["blue-1"])
    assert not flips.turns(repair)
    assert flips.live_group(repair) == "blue"


def test_a_deploy_that_is_cancelled_after_the_turn_leaves_the_users_group_alone(environment: Environment) -> None:
    first, second, third = releases(environment, 3)
    deploy_to(environment, first)
    cancelled = deploy_to(environment, second, Status.CANCELLED, turned="done")
    assert (cancelled.environment.live_group, cancelled.environment.current) == ("green", first)
    assert deploy_to(cancelled.environment, third).group == "blue"


def test_the_way_back_is_no_flip_to_a_group_that_runs_something_else_than_what_is_live(
    environment: Environment,
) -> None:
    first, second, third = releases(environment, 3)
    deploy_to(environment, first)
    environment = deploy_to(environment, second, Status.CANCELLED, turned="done").environment
    failed = deploy_to(environment, third, Status.FAILED, turned="done")
    back = Deploy.objects.get(undoes=failed)
    assert (back.flips, back.release) == (False, first)
