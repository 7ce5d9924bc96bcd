"""Machines of one environment that are not like the others."""

from pipelines.deploys.models import Host
from pipelines.deploys.reads.likeness import odd_ones


def fleet(*kernels: str, **facts: str) -> list[Host]:
    """Hosts web-1, web-2, … with these kernels; facts are those of all."""
    return [
        Host(pk=number, name=f"web-{number}", facts={"kernel": kernel, **facts} if kernel else {})
        for number, kernel in enumerate(kernels, 1)
    ]


def told(hosts: list[Host]) -> list[str]:
    return [f"{one.host.name}: {', '.join(one.told)}" for one in odd_ones(hosts)]


def test_a_host_that_differs_is_named_with_what_differs() -> None:
    assert told(fleet("6.5", "6.5", "6.1", os="Debian 12")) == ["web-3: kernel 6.1 against 6.5 on the others"]


def test_hosts_that_are_alike_are_not_named() -> None:
    assert told(fleet("6.5", "6.5", os="Debian 12")) == []


def test_where_they_all_differ_it_says_how_many_are_alike() -> None:
    hosts = fleet("6.5", "6.1", "5.9")
    assert told(hosts) == [
        "web-2: kernel 6.1 against 6.5 on 1 of the others",
        "web-3: kernel 5.9 against 6.5 on 1 of the others",
    ]


def test_several_facts_of_one_host_are_told_together() -> None:
    hosts = fleet("6.5", "6.5", os="Debian 12")
    hosts[1].facts = {"kernel": "6.1", "os": "Debian 11"}
    assert told(hosts) == [
        "web-2: system Debian 11 against Debian 12 on the others, kernel 6.1 against 6.5 on the others"
    ]


def test_nothing_is_said_of_hosts_that_were_never_asked() -> None:
    assert told(fleet("6.5", "", "6.5")) == []
    assert told(fleet("")) == []
