"""The lab's cloud, asked the way an inventory asks EC2."""

from collections.abc import Iterator

import pytest

from tests.lab.cloud import Cloud, cloud


@pytest.fixture(scope="module")
def running_cloud() -> Iterator[Cloud]:
    with cloud("172.29.0.0/16") as running:
        yield running


def addresses(running: Cloud, tags: dict[str, str], page_size: int) -> tuple[set[str], int]:
    filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in tags.items()]
    filters.append({"Name": "instance-state-name", "Values": ["running"]})
    pages = running.client.get_paginator("describe_instances").paginate(
        Filters=filters,  # type: ignore[arg-type]
        PaginationConfig={"PageSize": page_size},
    )
    found = [[i["PrivateIpAddress"] for r in page["Reservations"] for i in r["Instances"]] for page in pages]
    return {address for page in found for address in page}, len(found)


def test_instances_are_listed_by_tag_over_several_pages_and_stopped_ones_are_not(
    running_cloud: Cloud,
) -> None:
    mine = {"app": "shop", "env": "production"}
    for last in range(11, 18):
        running_cloud.start(f"172.29.0.{last}", mine)
    running_cloud.start("172.29.0.30", {"app": "shop", "env": "staging"})
    running_cloud.stop(running_cloud.start("172.29.0.31", mine))
    found, pages = addresses(running_cloud, mine, 5)
    assert found == {f"172.29.0.{last}" for last in range(11, 18)}
    assert pages == 2


def test_a_loopback_subnet_is_taken_too() -> None:
    with cloud("127.0.0.0/16") as running:
        running.start("127.0.0.42", {"env": "lab"})
        assert addresses(running, {"env": "lab"}, 5)[0] == {"127.0.0.42"}
